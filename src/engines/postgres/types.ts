import { types } from "pg";
import type { SqlValue } from "../../database/engine.ts";
import { plainParameter } from "../../database/parameters.ts";

const { builtins } = types;

/**
 * Reads values as every other engine gives them, so that one handler text means the same: numbers,
 * text, bytes and null. There are no other kinds, hence 1 and 0 for truth, RFC 3339 for times.
 */
const readers: Readonly<Record<number, (text: string) => SqlValue>> = {
  [builtins.INT2]: Number,
  [builtins.INT4]: Number,
  [builtins.OID]: Number,
  [builtins.INT8]: readInteger,
  [builtins.FLOAT4]: Number,
  [builtins.FLOAT8]: Number,
  // What sums and averages are made of. SQLite has doubles there, too.
  [builtins.NUMERIC]: (text) => (/^-?\d+$/.test(text) ? readInteger(text) : Number(text)),
  [builtins.BOOL]: (text) => (text === "t" ? 1 : 0),
  [builtins.BYTEA]: (text) => Uint8Array.from(Buffer.from(text.slice(2), "hex")),
  // The session's time zone is UTC.
  [builtins.TIMESTAMPTZ]: (text) => text.replace(" ", "T").replace(/\+00$/, "Z"),
};

/** A number where it is exact, a bigint beyond. */
function readInteger(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

const asItIs = (text: string): SqlValue => text;

export const typeParsers = {
  getTypeParser: (oid: number) => readers[oid] ?? asItIs,
};

/**
 * A parameter as it travels: the server makes of it what its place in the statement asks for. Truth
 * is 1 or 0, which a boolean column takes as well as an integer one.
 */
export function toPostgres(value: unknown, index: number): string | Uint8Array | null {
  const plain = plainParameter(value, index);
  if (typeof plain === "boolean") return plain ? "1" : "0";
  return typeof plain === "number" || typeof plain === "bigint" ? String(plain) : plain;
}
