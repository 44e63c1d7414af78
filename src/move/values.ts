import type { SqlValue } from "../database/engine.ts";

/**
 * How the values of a column are to be understood. Both databases give numbers, text, bytes and
 * null; where one has a type of its own for what the other keeps as text, equal texts are not asked
 * for but equal meaning.
 */
export type Kind = "plain" | "json" | "instant" | "decimal";

/**
 * A value in one form, whichever database it stands in: two are the same exactly where their forms
 * are. `own` is the kind of the column that it was read from, `other` that of its counterpart.
 */
export function formOf(value: SqlValue, own: Kind, other: Kind): string {
  if (value === null) return "null";
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (own === "json" || other === "json") return `json ${jsonForm(String(value))}`;
  // Decimals come as text, since they may be beyond every number of JavaScript's.
  if (own === "decimal" || typeof value !== "string") return `number ${decimalForm(String(value))}`;
  if (own === "instant" || other === "instant") return `time ${instantForm(value)}`;
  return `text ${value}`;
}

/** Members in the order of their names, as they have none of their own. */
function jsonForm(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
        : value,
    );
  } catch {
    return text;
  }
}

/** Digits without a point, and where it stands: `1.50`, `15e-1` and `1.5` are one number. */
function decimalForm(text: string): string {
  const [, sign = "", whole, fraction = "", exponent = "0"] =
    /^([+-]?)(\d+)(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  if (whole === undefined) return text;
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const kept = digits.replace(/0+$/, "");
  if (kept === "") return "0";
  const point = Number(exponent) - fraction.length + (digits.length - kept.length);
  return `${sign === "-" ? "-" : ""}${kept}e${point}`;
}

const instant = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d(?::?\d\d)?)?$/i;

/** `2026-01-01T00:00:00.000Z` and `2026-01-01 01:00:00+01` are one moment. */
function instantForm(text: string): string {
  const [, day, time, fraction = "", zone] = instant.exec(text) ?? [];
  if (day === undefined || time === undefined) return text;
  const offset = zone?.length === 3 ? `${zone}:00` : zone;
  const seconds = Date.parse(`${day}T${time}${offset ?? "Z"}`) / 1_000;
  return `${seconds}.${fraction.replace(/0+$/, "")}${zone === undefined ? " local" : ""}`;
}

/** What SQLite keeps of a decimal: an integer, or the nearest double. */
export function numberOf(decimal: string): SqlValue {
  if (!/^-?\d+$/.test(decimal)) return Number(decimal);
  const integer = BigInt(decimal);
  return BigInt.asIntN(64, integer) === integer ? integer : Number(decimal);
}
