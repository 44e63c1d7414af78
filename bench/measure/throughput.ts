import { setTimeout as sleep } from "node:timers/promises";
import { assertAllSucceeded, runLoad } from "../load/load.ts";
import type { RequestPlan } from "../load/request.ts";
import { nowUs } from "../load/request.ts";
import type { SystemUnderTest } from "../systems/system.ts";
import { type Latency, latencyOf } from "./histogram.ts";
import { cpuBetween, residentBytes } from "./processes.ts";

export interface ThroughputPlan {
  readonly request: RequestPlan;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly connections?: number;
}

export interface Throughput {
  /**
   * Events (requests, where none carries any) ÷ the time from the first request until the effects
   * of the last event were committed in every worker's database.
   */
  readonly perSecond: number;
  /** Events accepted ÷ the time in which they were. */
  readonly acceptedPerSecond: number;
  readonly events: number;
  /** From the last answer until everything was applied. */
  readonly drainMs: number;
  /** Microseconds of processor time an event, by process; `generator` is the load's own. */
  readonly cpuUsPerEvent: Readonly<Record<string, number>>;
  readonly answerMs: Latency;
  readonly residentBytes: number;
}

/** How many events systems have had so far. */
const published = new WeakMap<SystemUnderTest, number>();

/** Closed loop: so many connections, each with one request under way. Then waits for the drain. */
export async function measureThroughput(
  system: SystemUnderTest,
  plan: ThroughputPlan,
): Promise<Throughput> {
  await load(system, plan, plan.warmSeconds);
  await untilApplied(system);
  const before = system.usage();
  const tally = await load(system, plan, plan.seconds);
  await untilApplied(system);
  const appliedUs = nowUs();
  const after = system.usage();
  await assertOnce(system);
  const events = tally.succeeded * eventsIn(plan.request);
  const cpu = [...cpuBetween(before, after), ["generator", tally.cpuUs] as const];
  return {
    perSecond: (events * 1e6) / (appliedUs - tally.startedUs),
    acceptedPerSecond: (events * 1e6) / (tally.endedUs - tally.startedUs),
    events,
    drainMs: (appliedUs - tally.endedUs) / 1_000,
    cpuUsPerEvent: Object.fromEntries(cpu.map(([name, us]) => [name, us / events])),
    answerMs: latencyOf(tally.times),
    residentBytes: residentBytes(after),
  };
}

/**
 * Enough that a system whose answers wait for the disk is never without work meanwhile: with 64,
 * what is measured is the time of a sync. Who answers from memory is as fast with either.
 */
const peakConnections = 256;

const eventsIn = (request: RequestPlan): number => (request.kind === "lines" ? request.events : 1);

async function load(system: SystemUnderTest, plan: ThroughputPlan, seconds: number) {
  const { request, connections = peakConnections } = plan;
  const firstNumber = published.get(system) ?? 0;
  const { target } = system;
  const tally = await runLoad({ target, request, connections, seconds, firstNumber });
  assertAllSucceeded(tally);
  notePublished(system, request.kind === "get" ? 0 : tally.succeeded * eventsIn(request));
  return tally;
}

/** The number that a system's next event gets: they go on from load to load. */
export const nextNumber = (system: SystemUnderTest): number => published.get(system) ?? 0;

export function notePublished(system: SystemUnderTest, events: number): void {
  published.set(system, nextNumber(system) + events);
}

const pollMs = 5;
/** Where counting takes long, the pauses are so much longer: looking must not be the load. */
const pauseShare = 10;
const stallMs = 60_000;

/** Waits until every worker has committed the effects of all events; gives up when none comes. */
export async function untilApplied(system: SystemUnderTest): Promise<void> {
  const expected = system.expected(nextNumber(system));
  let last = "";
  let movedAt = performance.now();
  for (;;) {
    const askedAt = performance.now();
    const counts = await system.effects();
    const tookMs = performance.now() - askedAt;
    if (counts.every((count, at) => count >= (expected[at] ?? 0))) return;
    if (counts.join() !== last) movedAt = performance.now();
    last = counts.join();
    if (performance.now() - movedAt > stallMs) {
      throw new Error(`${system.name} stands still at ${last} of ${expected.join()} effects.`);
    }
    await sleep(Math.max(pollMs, tookMs * pauseShare));
  }
}

/** Not one effect more than there were events, and of each event one. */
async function assertOnce(system: SystemUnderTest): Promise<void> {
  const expected = system.expected(nextNumber(system)).join();
  const counts = (await system.effects()).join();
  const different = (await system.different?.())?.join() ?? counts;
  if (counts === expected && different === expected) return;
  throw new Error(
    `${system.name} has ${counts} effects of ${different} events, not ${expected} each.`,
  );
}
