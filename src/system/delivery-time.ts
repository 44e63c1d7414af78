import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { EventRecord } from "./event-record.ts";

/**
 * When an event is to be delivered, as it stands in its attributes.
 *
 * @throws MR_AT_INVALID where it is no time, or further away than anybody could mean
 */
export function deliveryTime(at: Date, nowMs: number): string {
  const ms = at.getTime();
  if (Number.isNaN(ms)) {
    throw new MillraceError("MR_AT_INVALID", "The time of delivery is no time.", {
      remedy: "Give a time such as 2027-01-31T12:00:00Z.",
    });
  }
  if (ms > nowMs + limits.deliveryDelayMaxMs) {
    throw new MillraceError("MR_AT_INVALID", `${at.toISOString()} is too far away.`, {
      remedy: `Up to ${limits.deliveryDelayMaxMs / 86_400_000} days ahead is possible.`,
    });
  }
  return at.toISOString();
}

/** When an event is to be delivered, milliseconds since 1970, where that is still to come. */
export function dueAtOf({ attributes }: EventRecord, clock: Clock): number | undefined {
  if (attributes.at === undefined) return undefined;
  const dueAt = Date.parse(attributes.at);
  return dueAt > clock.now() ? dueAt : undefined;
}
