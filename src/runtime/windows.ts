import { assert } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Config } from "./config.ts";

/**
 * How long each link of the chain remembers what it has seen; milliseconds. A repeat is harmless
 * only where the next link remembers for longer than the one before can deliver again.
 */
export interface Windows {
  /** The queue knows the ids of events, and so of Idempotency-Keys, for so long at least. */
  readonly ids: number;
  /** The queue keeps events for so long, and until every worker has applied them. */
  readonly retention: number;
  /** A worker knows what it has handled. */
  readonly inbox: number;
}

/** The one place in which they are set. */
export function windowsOf({ retentionHours }: Pick<Config, "retentionHours">): Windows {
  const ids = limits.idWindowMs;
  const retention = retentionHours * 3_600_000;
  const windows = { ids, retention, inbox: Math.max(limits.inboxMs, retention + ids) };
  // What the queue can still deliver, or answer with a first receipt, no inbox may have forgotten.
  assert(windows.inbox >= windows.retention + windows.ids, "an inbox outlives what it tells apart");
  return windows;
}
