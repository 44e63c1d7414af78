/**
 * What trials are compared by: tables of texts, in a form that is the same on every engine. A
 * worker's tables are some, and so are its dead letters, the events on the queue, and the answers
 * of queries.
 */
export interface Table {
  readonly name: string;
  readonly rows: readonly Row[];
  /** Columns whose numbers the database hands out: which row gets which is nobody's promise. */
  readonly handedOut?: readonly string[];
}

export type Row = Readonly<Record<string, string>>;

/** Gives what Millrace itself has named, such as follow-ups, names that are equal in each trial. */
export type Rename = (text: string) => string;

/**
 * A value of a database, or of an answer. Times are written in one way and JSON without spaces and
 * in one order, since PostgreSQL has types for them where SQLite keeps text.
 */
export function textOf(value: unknown, rename: Rename): string {
  if (value === null || value === undefined) return "null";
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (typeof value === "number" || typeof value === "bigint") return rename(String(value));
  if (typeof value === "string") return textOfString(value, rename);
  return rename(sortedJson(value));
}

const time = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

function textOfString(text: string, rename: Rename): string {
  if (time.test(text)) return rename(new Date(text).toISOString());
  if (/^\s*[[{]/.test(text)) {
    try {
      return rename(sortedJson(JSON.parse(text)));
    } catch {
      // A text that begins like JSON.
    }
  }
  return JSON.stringify(rename(text));
}

export const sortedJson = (value: unknown): string => JSON.stringify(sorted(value)) ?? "null";

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value === "string" && time.test(value)) return new Date(value).toISOString();
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, sorted(member)] as const);
  return Object.fromEntries(members.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** An answer as rows: of a list its items in their order, of anything else one. */
export function answerTable(name: string, answer: unknown, rename: Rename): Table {
  const items = Array.isArray(answer) ? answer : [answer];
  const rows = items.map((item, at): Row => {
    const place = Array.isArray(answer) ? { "#": String(at) } : {};
    if (typeof item !== "object" || item === null) return { ...place, value: textOf(item, rename) };
    const members = Object.entries(item).map(([member, value]) => [member, textOf(value, rename)]);
    return { ...place, ...Object.fromEntries(members) };
  });
  return { name, rows };
}
