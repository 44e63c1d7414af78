import { MillraceError } from "../lib/errors.ts";

/** What every engine says in the same words about positions that do not fit the stored events. */

/** Events that were still to be read are gone: reading on would skip them silently. */
export const trimmedFault = (partition: number, cursor: number, trimmed: number) =>
  new MillraceError(
    "MR_QUEUE_GAP",
    `Partition ${partition} was read up to position ${cursor}, but its events up to ${trimmed} were removed.`,
    {
      remedy: "Rebuild the worker from a backup, or accept the loss and start behind the gap.",
      extra: { partition, cursor, trimmed },
    },
  );

/**
 * Somebody read further than the queue reaches: its newest events are lost (an old copy, a cut
 * tail).
 */
export const lostTailFault = (partition: number, cursor: number, end: number) =>
  new MillraceError(
    "MR_QUEUE_GAP",
    `Partition ${partition} was read up to position ${cursor}, but it ends at ${end}: its newest events are lost.`,
    {
      remedy: "Restore the newest copy of the queue's data.",
      extra: { partition, cursor, end },
    },
  );

export const damagedFault = (partition: number, position: number) =>
  new MillraceError(
    "MR_QUEUE_DAMAGED",
    `The event at position ${position} of partition ${partition} fails its checksum.`,
    {
      remedy: "Check the disk, and restore the queue's data from a backup.",
      extra: { partition, position },
    },
  );

export const queueClosed = () =>
  new MillraceError("MR_QUEUE_UNAVAILABLE", "The queue is closed.", { retryAfterSeconds: 1 });
