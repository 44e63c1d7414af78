import { limits } from "../lib/limits.ts";
import type { QueueEngine } from "./engine.ts";

/**
 * What may leave the queue. Events stay for a time after every worker has handled them, so that a
 * worker can be rebuilt, and leave earlier where they take too much room; but none leaves before
 * every worker has applied it. A worker of which nothing is known keeps everything.
 */

export interface RetentionLimits {
  readonly ageMs: number;
  readonly bytesMax: number;
}

/** Partition → position up to which a worker has applied, parked or given up everything. */
export type Applied = ReadonlyMap<number, number>;

export interface Stored {
  readonly storedBytes: number;
  /** Absent where nothing is stored. */
  readonly oldestAcceptedAt?: number;
}

/**
 * The time before which events may leave. Beyond the limit of bytes it comes nearer than the age,
 * by as much as there is too much: bytes are taken to be spread evenly over the time. A repeat,
 * once the first cut is made, corrects what this estimate gets wrong.
 */
export function cutOffTime(
  { storedBytes, oldestAcceptedAt }: Stored,
  { ageMs, bytesMax }: RetentionLimits,
  nowMs: number,
): number {
  const byAge = nowMs - ageMs;
  if (oldestAcceptedAt === undefined || storedBytes <= bytesMax) return byAge;
  const excess = (storedBytes - bytesMax) / storedBytes;
  const spanMs = Math.max(0, nowMs - oldestAcceptedAt);
  // One more, because the cut takes what is older, not what is as old.
  return Math.max(byAge, Math.ceil(oldestAcceptedAt + spanMs * excess) + 1);
}

/**
 * The trims to make: for each partition the position before the cut-off time, but not beyond what
 * the slowest worker has applied. An `undefined` worker is one that nothing is known of.
 */
export function planTrims(
  beforeCutOff: ReadonlyMap<number, number>,
  workers: readonly (Applied | undefined)[],
): Map<number, number> {
  const trims = new Map<number, number>();
  if (workers.includes(undefined)) return trims;
  for (const [partition, position] of beforeCutOff) {
    const applied = workers.map((worker) => worker?.get(partition) ?? 0);
    const upTo = Math.min(position, ...applied);
    if (upTo > 0) trims.set(partition, upTo);
  }
  return trims;
}

/**
 * Applies the policy once; run now and then by whoever knows the workers.
 *
 * @returns the trims that were made
 */
export async function retainOnce(
  queue: Pick<QueueEngine, "partitions" | "positionAt" | "trim" | "health">,
  workers: readonly (Applied | undefined)[],
  nowMs: number,
  retention: RetentionLimits = {
    ageMs: limits.retentionMs,
    bytesMax: limits.retentionBytesMax,
  },
): Promise<Map<number, number>> {
  const cutOff = cutOffTime(await queue.health(), retention, nowMs);
  const before = new Map<number, number>();
  for (let partition = 0; partition < queue.partitions; partition++) {
    before.set(partition, await queue.positionAt(partition, cutOff));
  }
  const trims = planTrims(before, workers);
  for (const [partition, position] of trims) await queue.trim(partition, position);
  return trims;
}
