import { setTimeout as sleep } from "node:timers/promises";
import { assertAllSucceeded, Generator, type LoadResult } from "../load/load.ts";
import type { RequestPlan } from "../load/request.ts";
import { nowUs } from "../load/request.ts";
import type { SystemUnderTest } from "../systems/system.ts";
import { type Beside, type Ceiling, peakConnections } from "./ceiling.ts";
import { Histogram, type Latency, latencyOf } from "./histogram.ts";
import { cpuBetween, residentBytes } from "./processes.ts";

export interface ThroughputPlan {
  readonly request: RequestPlan;
  /** How often, and how long each time. */
  readonly turns: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly connections?: number;
}

export interface Throughput {
  /**
   * Events (requests, where none carries any) ÷ the time from a turn's first request until the
   * effects of its last event were committed in every worker's database.
   */
  readonly perSecond: number;
  /** The rate ÷ what bare Fastify answered between the turns; and ÷ that on all cores. */
  readonly ofCeiling: number;
  readonly ofMachine: number;
  /** Events accepted ÷ the time in which they were. */
  readonly acceptedPerSecond: number;
  readonly events: number;
  /** From a turn's last answer until everything was applied: the mean. */
  readonly drainMs: number;
  /** Microseconds of processor time an event, by process; `generator` is the load's own. */
  readonly cpuUsPerEvent: Readonly<Record<string, number>>;
  readonly answerMs: Latency;
  readonly residentBytes: number;
}

/** How many events systems have had so far. */
const published = new WeakMap<SystemUnderTest, number>();

/**
 * Closed loop: so many connections, each with one request under way. After a warm-up, the system
 * and the ceiling take turns; each turn ends when everything is applied.
 */
export async function measureThroughput(
  system: SystemUnderTest,
  plan: ThroughputPlan,
  ceiling: Ceiling,
): Promise<Throughput> {
  await using generator = new Generator();
  await load(system, generator, plan, plan.warmSeconds);
  await untilApplied(system);
  const beside = await ceiling.beside(plan.turns, async () => {
    const before = system.usage();
    const tally = await load(system, generator, plan, plan.seconds);
    await untilApplied(system);
    const appliedUs = nowUs();
    return { tally, appliedUs, used: cpuBetween(before, system.usage()) };
  });
  await assertOnce(system);
  return throughputOf(beside, eventsIn(plan.request), residentBytes(system.usage()));
}

interface Turn {
  readonly tally: LoadResult;
  readonly appliedUs: number;
  /** Microseconds, by process. */
  readonly used: ReadonlyMap<string, number>;
}

function throughputOf(
  { turns, ceiling, machine }: Beside<Turn>,
  eventsARequest: number,
  resident: number,
): Throughput {
  const sum = (of: (turn: Turn) => number) => turns.reduce((all, turn) => all + of(turn), 0);
  const events = eventsARequest * sum(({ tally }) => tally.succeeded);
  const perSecond = (events * 1e6) / sum(({ tally, appliedUs }) => appliedUs - tally.startedUs);
  const names = new Set(turns.flatMap(({ used }) => [...used.keys()]));
  const cpu = [...names].map((name) => [name, sum(({ used }) => used.get(name) ?? 0)] as const);
  const generatorUs = sum(({ tally }) => tally.cpuUs);
  const times = new Histogram();
  for (const { tally } of turns) times.merge(tally.times);
  return {
    perSecond,
    ofCeiling: perSecond / ceiling,
    ofMachine: perSecond / machine,
    acceptedPerSecond: (events * 1e6) / sum(({ tally }) => tally.endedUs - tally.startedUs),
    events,
    drainMs: sum(({ tally, appliedUs }) => appliedUs - tally.endedUs) / 1_000 / turns.length,
    cpuUsPerEvent: Object.fromEntries(
      [...cpu, ["generator", generatorUs] as const].map(([name, us]) => [name, us / events]),
    ),
    answerMs: latencyOf(times),
    residentBytes: resident,
  };
}

const eventsIn = (request: RequestPlan): number => (request.kind === "lines" ? request.events : 1);

async function load(
  system: SystemUnderTest,
  generator: Generator,
  { request, connections = peakConnections }: ThroughputPlan,
  seconds: number,
) {
  const firstNumber = nextNumber(system);
  const { target } = system;
  const tally = await generator.run({ target, request, connections, seconds, firstNumber });
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
