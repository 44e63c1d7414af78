import { parseDictionary, parseItem } from "structured-headers";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Place } from "../worker/link.ts";

/** What of `Prefer` (RFC 7240) means something here. */
export interface Preferences {
  /** Seconds, capped; counted from the arrival of the request. */
  readonly waitSeconds: number | undefined;
  readonly minimal: boolean;
}

const noPreferences: Preferences = { waitSeconds: undefined, minimal: false };

/** @throws MR_PREFER_INVALID */
export function parsePrefer(header: string | string[] | undefined): Preferences {
  if (header === undefined) return noPreferences;
  // Names of preferences are case-insensitive; those of structured fields are in lower case.
  const text = (typeof header === "string" ? header : header.join(", ")).toLowerCase();
  let members: ReturnType<typeof parseDictionary>;
  try {
    members = parseDictionary(text);
  } catch (cause) {
    throw new MillraceError("MR_PREFER_INVALID", "The Prefer header cannot be read.", { cause });
  }
  const wait = members.get("wait")?.[0];
  if (wait !== undefined && (!Number.isInteger(wait) || Number(wait) < 0)) {
    throw new MillraceError("MR_PREFER_INVALID", "`wait` takes whole seconds, such as wait=5.");
  }
  return {
    waitSeconds:
      wait === undefined ? undefined : Math.min(Number(wait), limits.preferWaitSecondsMax),
    minimal: String(members.get("return")?.[0] ?? "") === "minimal",
  };
}

/**
 * The key by which a repeat is known: a structured-field string, or plain text, since a UUID
 * without quotes is what most clients send.
 *
 * @throws MR_IDEMPOTENCY_KEY
 */
export function parseIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = String(header);
  if (/^[A-Za-z0-9._~:-]{1,255}$/.test(text)) return text;
  const key = quotedString(text);
  if (key === undefined || key === "" || key.length > limits.idempotencyKeyLengthMax) {
    throw new MillraceError("MR_IDEMPOTENCY_KEY", "The Idempotency-Key cannot be read.", {
      remedy: `Send one quoted string of 1 to ${limits.idempotencyKeyLengthMax} characters.`,
    });
  }
  return key;
}

function quotedString(text: string): string | undefined {
  try {
    const [value] = parseItem(text);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * `Millrace-After: 7:1, 3:9`: positions, by partition, that the worker must have applied.
 *
 * @throws MR_AFTER_INVALID
 */
export function parseAfter(header: string | string[] | undefined, partitions: number): Place[] {
  if (header === undefined) return [];
  const items = String(header).split(",");
  return items.map((item) => {
    const [partition, position, ...rest] = item.trim().split(":").map(wholeNumber);
    if (partition === undefined || position === undefined || rest.length > 0) {
      throw new MillraceError("MR_AFTER_INVALID", "The Millrace-After header cannot be read.", {
        remedy: "It holds partition:position pairs of receipts, such as 7:1, 3:9.",
      });
    }
    if (partition >= partitions) {
      throw new MillraceError("MR_AFTER_INVALID", `There is no partition ${partition}.`);
    }
    return { partition, position };
  });
}

function wholeNumber(text: string): number | undefined {
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
  return number !== undefined && Number.isSafeInteger(number) ? number : undefined;
}
