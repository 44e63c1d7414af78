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

/** A value, and the text that stands for it where it is stored: as `JSON.stringify` writes it. */
export interface JsonDocument {
  readonly value: JsonValue;
  readonly text: string;
}

/**
 * Reads JSON that comes from outside. Beyond the grammar it refuses what parsers read differently
 * or what would be stored as something else: equal names in one object, `__proto__` and
 * `constructor.prototype`, numbers that lose digits, and documents past the limits of depth and
 * size.
 *
 * Equal names and digits vanish in `JSON.parse`. Where the value is written as it was read, nothing
 * has; in all other texts, such as those with spaces, members are counted and numbers looked at.
 */
export function readJson(text: string): JsonDocument {
  const value = parsed(text);
  const content = new Content(value);
  const written = JSON.stringify(value);
  if (written !== text || content.hasLargeInteger) refuseLosses(text, content.members);
  return { value, text: written };
}

/** `readJson`, for those who want no more than the value. */
export const parseJson = (text: string): JsonValue => readJson(text).value;

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    throw new MillraceError("MR_JSON_INVALID", `The JSON cannot be read: ${message}`, { cause });
  }
}

/** By counting: the members in the text against the members of the value. */
function refuseLosses(text: string, members: number): void {
  if (scanText(text) === members) return;
  throw new MillraceError(
    "MR_JSON_DUPLICATE_NAME",
    "An object in the JSON has the same name twice.",
  );
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

/** What a value holds, at all depths. */
class Content {
  members = 0;
  /** Past the integers of which each has a double of its own. */
  hasLargeInteger = false;

  constructor(value: JsonValue) {
    this.#visit(value, 0);
  }

  #visit(value: JsonValue, depth: number): void {
    if (typeof value === "number") {
      this.hasLargeInteger ||= Math.abs(value) > Number.MAX_SAFE_INTEGER;
    } else if (typeof value === "object" && value !== null) {
      this.#visitWithin(value, depth);
    }
  }

  #visitWithin(value: JsonValue & object, depth: number): void {
    if (depth >= limits.jsonDepthMax) {
      throw new MillraceError(
        "MR_JSON_TOO_DEEP",
        `The JSON is nested deeper than ${limits.jsonDepthMax}.`,
      );
    }
    if (Array.isArray(value)) {
      for (const item of value) this.#visit(item, depth + 1);
      return;
    }
    for (const name of Object.keys(value)) {
      const member = (value as { readonly [name: string]: JsonValue })[name] ?? null;
      refuseDangerousName(name, member);
      this.members++;
      this.#visit(member, depth + 1);
    }
  }
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
