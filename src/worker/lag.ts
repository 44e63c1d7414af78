import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { QueueEngine } from "../queue/engine.ts";
import { type PartitionStatus, Steering, type WaitingInstance } from "./steering.ts";

/** A partition as it stands at a worker, and how far that is from the queue's end. */
export interface PartitionStanding extends PartitionStatus {
  readonly end: number;
  /** Events behind the position; counted up to a bound (`lagCountedMax`). */
  readonly lagEvents: number;
  /** How long the oldest of them has waited. */
  readonly lagMs: number;
}

/** A worker's partitions together. */
export interface WorkerSummary {
  readonly pausedPartitions: number;
  readonly lagEvents: number;
  readonly lagMs: number;
  /** How many instances work on them. */
  readonly instances: number;
  readonly parkedKeys: number;
  readonly parkedEvents: number;
  /** When the oldest event that waits in a line was accepted; milliseconds since 1970. */
  readonly oldestParkedAt: number | undefined;
  readonly scheduledEvents: number;
  readonly deadLetters: number;
}

interface Lag {
  readonly events: number;
  readonly oldestAt: number | undefined;
}

/** How a worker stands, partition by partition. */
export async function standingsOf(
  queue: QueueEngine,
  database: DatabaseEngine,
  clock: Clock,
): Promise<PartitionStanding[]> {
  const statuses = await new Steering(database).status();
  const now = clock.now();
  const ends = await queue.ends();
  const lags = await countLag(queue, statuses, ends);
  return statuses.map((status) => {
    const lag = lags.get(status.partition);
    return {
      ...status,
      end: ends.get(status.partition) ?? 0,
      lagEvents: lag?.events ?? 0,
      lagMs: lag?.oldestAt === undefined ? 0 : Math.max(0, now - lag.oldestAt),
    };
  });
}

export function summaryOf(standings: readonly PartitionStanding[]): WorkerSummary {
  const sum = (value: (one: PartitionStanding) => number) =>
    standings.reduce((total, one) => total + value(one), 0);
  const oldest = standings.flatMap(({ oldestParkedAt }) => oldestParkedAt ?? []);
  return {
    pausedPartitions: sum(({ isPaused }) => Number(isPaused)),
    lagEvents: sum(({ lagEvents }) => lagEvents),
    lagMs: Math.max(0, ...standings.map(({ lagMs }) => lagMs)),
    instances: new Set(standings.flatMap(({ owner }) => owner ?? [])).size,
    parkedKeys: sum(({ parkedKeys }) => parkedKeys),
    parkedEvents: sum(({ parkedEvents }) => parkedEvents),
    oldestParkedAt: oldest.length === 0 ? undefined : Math.min(...oldest),
    scheduledEvents: sum(({ scheduledEvents }) => scheduledEvents),
    deadLetters: sum(({ deadLetters }) => deadLetters),
  };
}

/** The documented form, for the command line's `--json` and the admin API. */
export const standingJson = (
  worker: string,
  standings: readonly PartitionStanding[],
  waiting: readonly WaitingInstance[],
) => ({
  worker,
  ...withTime(summaryOf(standings)),
  waiting,
  partitions: standings.map(withTime),
});

const withTime = <Told extends { readonly oldestParkedAt: number | undefined }>(told: Told) => ({
  ...told,
  oldestParkedAt:
    told.oldestParkedAt === undefined ? null : new Date(told.oldestParkedAt).toISOString(),
});

/** Reads what lies behind the positions: positions have gaps, so their difference is no count. */
async function countLag(
  queue: QueueEngine,
  statuses: readonly PartitionStatus[],
  ends: ReadonlyMap<number, number>,
): Promise<Map<number, Lag>> {
  const behind = statuses.filter(
    ({ partition, position }) => (ends.get(partition) ?? 0) > position,
  );
  const lags = new Map<number, Lag>();
  if (behind.length === 0) return lags;
  const subscription = queue.subscribe(
    new Map(behind.map(({ partition, position }) => [partition, position])),
  );
  try {
    for (let counted = 0; counted < limits.lagCountedMax; ) {
      const { events, positions } = await subscription.next(limits.passEventsMax, 0);
      if (positions.size === 0) break;
      counted += events.length;
      for (const { partition, acceptedAt } of events) {
        const { events: count, oldestAt } = lags.get(partition) ?? {
          events: 0,
          oldestAt: undefined,
        };
        lags.set(partition, { events: count + 1, oldestAt: oldestAt ?? acceptedAt });
      }
    }
  } finally {
    await subscription.close();
  }
  return lags;
}
