const dateAndTime = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

/** How long ago, in the unit that says most. */
function ago(at) {
  const seconds = Math.max(0, Math.round((Date.now() - at.getTime()) / 1000));
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return dayAndTime.format(at);
}

/** A `<time>` that `refreshTimes` keeps true. */
export function timeElement(text) {
  const at = new Date(text);
  const node = document.createElement("time");
  node.dateTime = text;
  node.title = dateAndTime.format(at);
  node.textContent = ago(at);
  return node;
}

export function refreshTimes() {
  for (const node of document.querySelectorAll("time[datetime]")) {
    const text = ago(new Date(node.dateTime));
    if (node.textContent !== text) node.textContent = text;
  }
}

/** Microseconds for people: three digits that matter, and the unit. */
export function duration(us) {
  // Where a clock counts whole milliseconds, nothing seems to take no time.
  if (us < 1) return "< 1 ms";
  if (us < 999.5) return `${Math.round(us)} µs`;
  if (us < 999_500) return `${threeDigits(us / 1000)} ms`;
  return `${threeDigits(us / 1_000_000)} s`;
}

const threeDigits = (number) =>
  number < 999.5 ? number.toPrecision(3) : String(Math.round(number));

/** The same for the marks of an axis, which are round: 2.5 ms, not 2.50 ms. */
export const roundDuration = (us) =>
  duration(us)
    .replace(/(\.\d*?)0+ /, "$1 ")
    .replace(". ", " ");

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
