import { MillraceError } from "../lib/errors.ts";

/** A parameter that every database engine understands alike. */
export type PlainParameter = string | number | bigint | boolean | null | Uint8Array;

const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);

/**
 * Checks one parameter of a statement, in front of every engine's driver, so that one handler text
 * means the same everywhere. Drivers differ in silence: node:sqlite stores NULL for NaN and takes a
 * leading object for named parameters, PostgreSQL's writes a Date in local time.
 *
 * A `Date` becomes RFC 3339 text in UTC, which sorts by time; everything else stays what it is.
 *
 * @param index from 0, told in the error
 * @throws MR_DATABASE_PARAMETER with what to pass instead
 */
export function plainParameter(value: unknown, index: number): PlainParameter {
  switch (typeof value) {
    case "string":
      return checkText(value, index);
    case "number":
      if (Number.isFinite(value)) return value;
      throw refuse(index, `is ${value}`, "Pass null where there is no number.");
    case "boolean":
      return value;
    case "bigint":
      if (value >= int64Min && value <= int64Max) return value;
      throw refuse(index, "does not fit in 64 bits", "Pass it as text.");
    case "object":
      return checkObject(value, index);
    case "undefined":
      throw refuse(index, "is undefined", "Pass null where there is no value.");
    default:
      throw refuse(index, `is a ${typeof value}`, "Pass text, a number, bytes, a Date or null.");
  }
}

function checkText(value: string, index: number): string {
  if (value.includes("\0")) {
    throw refuse(index, "contains a NUL character", "Remove it, or pass bytes.");
  }
  if (value.isWellFormed()) return value;
  throw refuse(index, "is no valid Unicode", "Repair it with toWellFormed(), or pass bytes.");
}

function checkObject(value: object | null, index: number): PlainParameter {
  if (value === null || value instanceof Uint8Array) return value;
  if (value instanceof Date) {
    if (!Number.isNaN(value.getTime())) return value.toISOString();
    throw refuse(index, "is an invalid Date", "Pass null where there is no time.");
  }
  const what = Array.isArray(value) ? "an array" : "an object";
  throw refuse(index, `is ${what}`, "Pass JSON.stringify(value), and parse what you read.");
}

const refuse = (index: number, what: string, remedy: string): MillraceError =>
  new MillraceError("MR_DATABASE_PARAMETER", `Parameter ${index + 1} of the statement ${what}.`, {
    remedy,
  });
