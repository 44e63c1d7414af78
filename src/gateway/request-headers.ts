import { parseItem } from "structured-headers";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { dateOfRfc3339, isRfc3339 } from "../lib/rfc3339.ts";
import { deliveryTime } from "../system/delivery-time.ts";
import type { EventAttributes } from "../system/event-record.ts";
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
  const members = membersOf(typeof header === "string" ? header : header.join(", "));
  const wait = members.get("wait");
  if (wait !== undefined && !/^\d{1,9}$/.test(wait)) {
    throw new MillraceError("MR_PREFER_INVALID", "`wait` takes whole seconds, such as wait=5.");
  }
  return {
    waitSeconds:
      wait === undefined ? undefined : Math.min(Number(wait), limits.preferWaitSecondsMax),
    minimal: members.get("return") === "minimal",
  };
}

/**
 * Preferences by name. Of equal ones the first counts (RFC 7240, section 2); what is not understood
 * is passed over, as are empty members of the list.
 */
function membersOf(text: string): Map<string, string> {
  const members = new Map<string, string>();
  // Members end at commas, their parameters begin at semicolons; neither counts within quotes.
  for (const member of text.match(/(?:"(?:\\.|[^"\\])*"?|[^,"])+/g) ?? []) {
    const [preference = ""] = member.match(/(?:"(?:\\.|[^"\\])*"?|[^;"])+/) ?? [];
    const [name = "", value = ""] = preference.split(/=(.*)/s).map((part) => part.trim());
    if (name === "" || members.has(name.toLowerCase())) continue;
    members.set(name.toLowerCase(), value.replace(/^"(.*)"$/s, "$1").toLowerCase());
  }
  return members;
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

/**
 * `Millrace-At: 2027-01-31T12:00:00Z`: not before this time are the request's events delivered.
 *
 * @throws MR_AT_INVALID
 */
export function parseAt(
  header: string | string[] | undefined,
  clock: Clock,
): EventAttributes["at"] {
  return header === undefined ? undefined : deliveryTimeOf(String(header), clock.now());
}

/** @throws MR_AT_INVALID */
export function deliveryTimeOf(text: string, nowMs: number): string {
  const isTime = isRfc3339(text);
  return deliveryTime(isTime ? dateOfRfc3339(text) : new Date(Number.NaN), nowMs);
}

function wholeNumber(text: string): number | undefined {
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
  return number !== undefined && Number.isSafeInteger(number) ? number : undefined;
}
