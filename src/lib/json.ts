import { MillraceError } from "./errors.ts";
import { limits } from "./limits.ts";

/** What JSON text can hold. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes UTF-8, refusing what is not (MR_BODY_NOT_UTF8) instead of replacing it. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new MillraceError("MR_BODY_NOT_UTF8", "The body is not valid UTF-8.", { cause });
  }
}

/**
 * Parses JSON that comes from outside. Beyond the grammar it refuses what parsers read differently
 * or what would be stored as something else: equal names in one object, `__proto__` and
 * `constructor.prototype`, numbers that lose digits, and documents past the limits of depth and
 * size.
 *
 * Equal names vanish in `JSON.parse`, so they are found by counting: the members in the text
 * against the members of the value.
 */
export function parseJson(text: string): JsonValue {
  const members = scanText(text);
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MillraceError(
      "MR_JSON_INVALID",
      `The JSON cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  if (countMembers(value, 0) !== members) {
    throw new MillraceError(
      "MR_JSON_DUPLICATE_NAME",
      "An object in the JSON has the same name twice.",
    );
  }
  return value;
}

/** Counts the members by their colons outside strings, and refuses numbers that lose digits. */
function scanText(text: string): number {
  let members = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) at = endOfString(text, at);
    else if (char === 0x3a) members++;
    else if (char >= 0x30 && char <= 0x39) at = endOfNumber(text, at);
  }
  return members;
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++;
  return backslashes % 2 === 1;
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  let hasExponent = false;
  for (; end < text.length; end++) {
    const char = text.charCodeAt(end);
    if ((char >= 0x30 && char <= 0x39) || char === 0x2e) continue;
    const isExponent = char === 0x65 || char === 0x45 || char === 0x2b || char === 0x2d;
    if (!isExponent) break;
    hasExponent = true;
  }
  // Fifteen digits without an exponent always come back as they were.
  if (end - start > 15 || hasExponent) refuseInexact(text.slice(start, end));
  return end - 1;
}

/** Read as a double and written again, a number must be the same one. */
function refuseInexact(digits: string): void {
  const number = Number(digits);
  const isInteger = !/[.eE]/.test(digits);
  const isSame = isInteger
    ? Number.isSafeInteger(number)
    : Number.isFinite(number) && decimal(String(number)) === decimal(digits);
  if (!isSame) {
    throw new MillraceError(
      "MR_JSON_NUMBER",
      `The number ${digits.slice(0, 40)} cannot be kept exactly; send it as a string.`,
    );
  }
}

/** A number's digits without leading and trailing zeros, and its power of ten: `12e-1` for 1.20. */
function decimal(text: string): string {
  const [mantissa = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${significant}e${power}`;
}

function countMembers(value: JsonValue, depth: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (depth >= limits.jsonDepthMax) {
    throw new MillraceError(
      "MR_JSON_TOO_DEEP",
      `The JSON is nested deeper than ${limits.jsonDepthMax}.`,
    );
  }
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item, depth + 1);
    return count;
  }
  for (const name of Object.keys(value)) {
    const member = (value as { readonly [name: string]: JsonValue })[name] ?? null;
    refuseDangerousName(name, member);
    count += 1 + countMembers(member, depth + 1);
  }
  return count;
}

function refuseDangerousName(name: string, member: JsonValue): void {
  const reachesPrototype =
    name === "constructor" &&
    typeof member === "object" &&
    member !== null &&
    Object.hasOwn(member, "prototype");
  if (name === "__proto__" || reachesPrototype) {
    throw new MillraceError("MR_JSON_NAME", `The name ${name} is not allowed in the JSON.`);
  }
}
