import { systemClock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { QueueEngine } from "../queue/engine.ts";
import type { Flags } from "../runtime/config.ts";
import { type PartitionStatus, Steering } from "../worker/steering.ts";
import { columnsText } from "./columns.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";
import { openWorkers } from "./worker-view.ts";

interface Call {
  readonly worker?: string;
  readonly partitions?: boolean;
  readonly flags: Flags;
  readonly output: Output;
}

const partitionHead = [
  "worker",
  "partition",
  "position",
  "end",
  "lag",
  "behind",
  "owner",
  "parked keys",
  "oldest",
];
const summaryHead = [
  "worker",
  "state",
  "lag",
  "behind",
  "instances",
  "parked keys",
  "parked events",
  "oldest",
];

/** A partition as it stands at a worker, and how far that is from the queue's end. */
interface Standing extends PartitionStatus {
  readonly end: number;
  /** Events behind the position; counted up to a bound. */
  readonly lagEvents: number;
  /** How long the oldest of them has waited. */
  readonly lagMs: number;
}

interface Lag {
  readonly events: number;
  readonly oldestAt: number | undefined;
}

export async function tellStatus({ worker, partitions, flags, output }: Call): Promise<ExitCode> {
  await using opened = await openWorkers(flags, worker);
  const queue = await opened.queue();
  const rows: string[][] = [partitions === true ? partitionHead : summaryHead];
  for (const { name, database } of opened.workers) {
    const statuses = await new Steering(database).status();
    const standings = await withLag(queue, statuses);
    if (output.json) output.value({ worker: name, partitions: standings }, 0);
    else if (partitions === true) rows.push(...standings.map((one) => [name, ...rowOf(one)]));
    else rows.push([name, ...summary(standings)]);
  }
  if (!output.json) output.line(columnsText(rows));
  return 0;
}

async function withLag(queue: QueueEngine, statuses: readonly PartitionStatus[]) {
  const now = systemClock.now();
  const ends = await queue.ends();
  const lags = await countLag(queue, statuses, ends);
  return statuses.map((status): Standing => {
    const lag = lags.get(status.partition);
    return {
      ...status,
      end: ends.get(status.partition) ?? 0,
      lagEvents: lag?.events ?? 0,
      lagMs: lag?.oldestAt === undefined ? 0 : Math.max(0, now - lag.oldestAt),
    };
  });
}

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

function rowOf(one: Standing): string[] {
  const owner = one.isPaused ? "paused" : (one.owner ?? "nobody");
  const { partition, position, end, parkedKeys, oldestParkedAt } = one;
  const lag = [countText(one.lagEvents), durationText(one.lagMs)];
  const parked = [String(parkedKeys), ageText(oldestParkedAt)];
  return [String(partition), String(position), String(end), ...lag, owner, ...parked];
}

function summary(standings: readonly Standing[]): string[] {
  const sum = (value: (one: Standing) => number) =>
    standings.reduce((total, one) => total + value(one), 0);
  const paused = sum((one) => Number(one.isPaused));
  const owners = new Set(standings.flatMap(({ owner }) => owner ?? []));
  const oldest = standings.flatMap(({ oldestParkedAt }) => oldestParkedAt ?? []);
  return [
    paused === 0 ? "running" : paused === standings.length ? "paused" : `${paused} paused`,
    countText(sum((one) => one.lagEvents)),
    durationText(Math.max(0, ...standings.map(({ lagMs }) => lagMs))),
    String(owners.size),
    String(sum((one) => one.parkedKeys)),
    String(sum((one) => one.parkedEvents)),
    ageText(oldest.length === 0 ? undefined : Math.min(...oldest)),
  ];
}

const countText = (count: number): string =>
  count >= limits.lagCountedMax ? `${limits.lagCountedMax}+` : String(count);

const ageText = (sinceMs: number | undefined): string =>
  sinceMs === undefined ? "" : durationText(Math.max(0, systemClock.now() - sinceMs));

function durationText(ms: number): string {
  if (ms === 0) return "";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}
