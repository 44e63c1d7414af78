/** `2018-04-05T17:31:00Z`, with a fraction and an offset where there is one; a day that exists. */
export function isRfc3339(text: string): boolean {
  const match =
    /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](\d{2}):(\d{2}))$/.exec(
      text,
    );
  if (match === null) return false;
  const [
    year = 0,
    month = 0,
    day = 0,
    hour = 0,
    minute = 0,
    second = 0,
    offHour = 0,
    offMinute = 0,
  ] = match.slice(1).map((part) => Number(part ?? 0));
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  // 60 is a leap second.
  return isDay && hour < 24 && minute < 60 && second <= 60 && offHour < 24 && offMinute < 60;
}

const daysIn = (year: number, month: number): number =>
  new Date(Date.UTC(year, month, 0)).getUTCDate();

let lastText = "";
let lastMs = Number.NaN;

/**
 * The time that such a text means. `Date` knows no leap seconds: theirs is the second before.
 * Events that come together often have the same time, whose text is read once.
 */
export function dateOfRfc3339(text: string): Date {
  if (text !== lastText) {
    lastMs = Date.parse(text.includes(":60") ? text.replace(/:60(?=[.Zz+-])/, ":59") : text);
    lastText = text;
  }
  return new Date(lastMs);
}
