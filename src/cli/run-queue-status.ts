import { systemClock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Flags } from "../runtime/config.ts";
import { type PartitionStanding, standingJson, standingsOf, summaryOf } from "../worker/lag.ts";
import { Steering } from "../worker/steering.ts";
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
  "scheduled",
  "dead letters",
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
  "scheduled",
  "dead letters",
];

export async function tellStatus({ worker, partitions, flags, output }: Call): Promise<ExitCode> {
  await using opened = await openWorkers(flags, worker);
  const queue = await opened.queue();
  const waits: string[] = [];
  const rows: string[][] = [partitions === true ? partitionHead : summaryHead];
  for (const { name, database } of opened.workers) {
    const standings = await standingsOf(queue, database, systemClock);
    const waiting = await new Steering(database).waiting();
    for (const { instance, waitingFor } of waiting) waits.push(`${instance} waits: ${waitingFor}`);
    if (output.json) output.value(standingJson(name, standings, waiting), 0);
    else if (partitions === true) rows.push(...standings.map((one) => [name, ...rowOf(one)]));
    else rows.push([name, ...summaryRow(standings, waiting.length > 0)]);
  }
  if (!output.json) output.line(columnsText(rows));
  for (const line of waits) output.progress(line);
  return 0;
}

function rowOf(one: PartitionStanding): string[] {
  const owner = one.isPaused ? "paused" : (one.owner ?? "nobody");
  const { partition, position, end, parkedKeys, oldestParkedAt } = one;
  const lag = [countText(one.lagEvents), durationText(one.lagMs)];
  const parked = [String(parkedKeys), ageText(oldestParkedAt)];
  const others = [String(one.scheduledEvents), String(one.deadLetters)];
  return [String(partition), String(position), String(end), ...lag, owner, ...parked, ...others];
}

function summaryRow(standings: readonly PartitionStanding[], isWaiting: boolean): string[] {
  const summary = summaryOf(standings);
  const { pausedPartitions: paused, lagEvents, lagMs, instances, parkedKeys } = summary;
  return [
    isWaiting
      ? "waiting"
      : paused === 0
        ? "running"
        : paused === standings.length
          ? "paused"
          : `${paused} paused`,
    countText(lagEvents),
    durationText(lagMs),
    String(instances),
    String(parkedKeys),
    String(summary.parkedEvents),
    ageText(summary.oldestParkedAt),
    String(summary.scheduledEvents),
    String(summary.deadLetters),
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
