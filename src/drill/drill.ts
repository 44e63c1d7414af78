import { availableParallelism } from "node:os";
import type { Clock } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import { type Verdict, violations } from "./checker.ts";
import type { Fault, Struck } from "./fault.ts";
import type { Judge } from "./judge.ts";
import type { Load } from "./load.ts";
import { type Mark, Monitor } from "./monitor.ts";
import type { Readers } from "./readers.ts";
import type { DrillReport, FaultReport, WorkerReport } from "./report.ts";
import type { Target } from "./targets.ts";
import { longestGap, longestWait, timelineOf, timelineStepMs } from "./timeline.ts";

/** A system with everything that it takes to drill it. */
export interface DrillScene {
  readonly system: DrillReport["system"];
  /** In the order in which they strike, again and again. */
  readonly faults: readonly Fault[];
  /** Whether all of its processes run. */
  isWhole(): Promise<boolean>;
  startLoad(): Load;
  judge(load: Load): Judge;
  /** Absent for applications whose queries are not known. */
  readers?(load: Load): Readers;
}

export interface DrillOptions {
  readonly target: Target | "all";
  readonly ratePerSecond: number;
  readonly keys: number;
  /** It takes at least so long, and until each fault has struck once. */
  readonly seconds: number;
  /** How long a fault lasts that does not end by itself. */
  readonly holdMs: number;
  /** I5: once a fault is over, and at the end, everything is as it must be within this. */
  readonly patienceMs: number;
  readonly clock: Clock;
  /** Ends it early: what was struck is healed, and what was seen is reported. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DrillProgress) => void;
}

export interface DrillProgress {
  readonly share: number;
  readonly remainingMs: number;
  readonly accepted: number;
  readonly applied: number;
  /** What was accepted in the last second. */
  readonly ratePerSecond: number;
  /** The fault that is there now. */
  readonly fault: string | undefined;
}

/** Before the first fault and between two, the system is left alone for so long. */
const calmMs = 1_000;
const lookMs = 50;

/** Puts a system under load, strikes it, and finds out whether it kept its promises. */
export async function runDrill(scene: DrillScene, options: DrillOptions): Promise<DrillReport> {
  const { clock, signal } = options;
  const startedAt = new Date(clock.now()).toISOString();
  const load = scene.startLoad();
  const judge = scene.judge(load);
  const monitor = new Monitor(judge, load, clock);
  await using readers = scene.readers?.(load);
  const run = new Run(scene, monitor, options);
  const faults = await run.strikeAll();
  await readers?.stop();
  await load.stop(signal.aborted ? calmMs : options.patienceMs);
  const loadEndedAt = monitor.nowMs;
  const verdicts = await settled(judge, load, options);
  await readers?.checkAtRest();
  await monitor.stop();
  const { samples } = monitor;
  const times = load.published
    .filter(({ id }) => id !== undefined)
    .map(({ atMs }) => atMs - monitor.startedAt);
  const workers = Object.fromEntries([...verdicts].map(([name, one]) => [name, counts(one)]));
  const recoveries = faults.filter(({ isStruck }) => isStruck).map(({ recoveryMs }) => recoveryMs);
  const report: Omit<DrillReport, "verdict" | "red"> = {
    drill: options.target,
    system: scene.system,
    startedAt,
    seconds: Math.round(loadEndedAt / 100) / 10,
    ratePerSecond: options.ratePerSecond,
    keys: options.keys,
    isInterrupted: signal.aborted,
    attempted: load.published.length,
    accepted: times.length,
    workers,
    ...(readers === undefined
      ? {}
      : { reads: { asked: readers.asked, stale: readers.stale.length } }),
    refusals: Object.fromEntries(load.refusals),
    longestStallMs: {
      accepting: Math.round(longestGap(times)),
      applying: Math.round(longestWait(samples)),
    },
    recoveryMs: recoveries.includes(null) ? null : Math.max(0, ...recoveries.map(Number)),
    faults,
    timeline: timelineOf(samples),
    machine: {
      node: process.versions.node,
      cpus: availableParallelism(),
      platform: process.platform,
    },
  };
  const red = redLines(report, verdicts, readers?.stale ?? []);
  return { ...report, verdict: red.length === 0 ? "kept" : "broken", red };
}

const counts = (verdict: Verdict): WorkerReport => ({
  effects: verdict.effects,
  lost: verdict.lost.length,
  doubled: verdict.doubled.length,
  outOfOrder: verdict.outOfOrder.length,
  invented: verdict.invented.length,
  parked: verdict.parked,
  dead: verdict.dead.length,
});

/** Once the faults stop, everything must be there in time. */
async function settled(
  judge: Judge,
  load: Load,
  { clock, signal, patienceMs }: DrillOptions,
): Promise<ReadonlyMap<string, Verdict>> {
  const deadline = clock.monotonic() + (signal.aborted ? patienceMs / 4 : patienceMs);
  for (;;) {
    const verdicts = await judge.verdicts(load.published).catch(asError);
    const isDone = !(verdicts instanceof Error) && [...verdicts.values()].every(isSettled);
    const isOver = clock.monotonic() >= deadline;
    if (verdicts instanceof Error && isOver) throw verdicts;
    if (!(verdicts instanceof Error) && (isDone || isOver)) return verdicts;
    await clock.sleep(4 * lookMs);
  }
}

const isSettled = ({ lost, parked }: Verdict): boolean => lost.length === 0 && parked === 0;

/** Everything that was not as it must be. */
function redLines(
  report: Omit<DrillReport, "verdict" | "red">,
  verdicts: ReadonlyMap<string, Verdict>,
  stale: readonly string[],
): string[] {
  const red: string[] = [];
  for (const [worker, verdict] of verdicts) {
    red.push(...violations(verdict).map((sentence) => `${worker}: ${sentence}`));
    // No fault of the system may use up an event's attempts.
    if (verdict.dead.length > 0) red.push(`${worker}: ${verdict.dead.length} dead letters`);
    if (verdict.parked > 0) red.push(`${worker}: ${verdict.parked} still wait in parked lines`);
  }
  if (stale.length > 0) red.push(`${stale.length} stale reads: ${stale.slice(0, 3).join(", ")}`);
  if (report.accepted === 0) red.push("nothing was accepted, so nothing is proven");
  const { faults, isInterrupted } = report;
  for (const { what, isStruck, recoveryMs } of faults) {
    if (!isStruck) red.push(`a fault could not strike: ${what}`);
    else if (recoveryMs === null && !isInterrupted) red.push(`not recovered from: ${what}`);
  }
  if (!faults.some(({ isStruck }) => isStruck)) red.push("no fault has struck");
  return red;
}

/** The faults of a drill, one after the other. */
class Run {
  readonly #scene: DrillScene;
  readonly #monitor: Monitor;
  readonly #options: DrillOptions;
  #current: string | undefined;

  constructor(scene: DrillScene, monitor: Monitor, options: DrillOptions) {
    this.#scene = scene;
    this.#monitor = monitor;
    this.#options = options;
  }

  async strikeAll(): Promise<FaultReport[]> {
    const { clock, seconds, signal } = this.#options;
    using _telling = clock.every(250, () => this.#tell());
    await this.#recovery(this.#monitor.mark());
    await clock.sleep(calmMs, signal);
    const { faults } = this.#scene;
    const reports: FaultReport[] = [];
    const isOver = () => reports.length >= faults.length && this.#leftMs(seconds) <= 0;
    for (let turn = 0; !signal.aborted && !isOver(); turn++) {
      const fault = faults[turn % faults.length];
      if (fault === undefined) break;
      reports.push(await this.#strike(fault));
      await clock.sleep(calmMs, signal);
    }
    return reports;
  }

  async #strike(fault: Fault): Promise<FaultReport> {
    const { clock, holdMs, signal } = this.#options;
    const { target, name } = fault;
    const atMs = this.#monitor.nowMs;
    let struck: Struck;
    try {
      struck = await fault.strike();
    } catch (thrown) {
      const what = `${target} ${name}: ${asError(thrown).message}`;
      return { target, name, what, isStruck: false, atMs, healedAtMs: atMs, recoveryMs: null };
    }
    this.#current = struck.what;
    this.#tell();
    let over = this.#monitor.mark();
    if (struck.heal !== undefined) {
      await clock.sleep(holdMs, signal);
      await struck.heal();
      over = this.#monitor.mark();
    }
    const recoveryMs = await this.#recovery(over);
    this.#current = undefined;
    const healedAtMs = over.sinceMs;
    return { target, name, what: struck.what, isStruck: true, atMs, healedAtMs, recoveryMs };
  }

  /** How long it takes to be as before; null where that is not seen in time. */
  async #recovery(since: Mark): Promise<number | null> {
    const { clock, signal, patienceMs } = this.#options;
    const deadline = clock.monotonic() + patienceMs;
    const isUp = async () => since.recoveredAtMs !== undefined && (await this.#scene.isWhole());
    // A second fault on what still mends itself would be another drill: two losses at once.
    while (!(await isUp())) {
      if (signal.aborted || clock.monotonic() >= deadline) return null;
      await clock.sleep(lookMs, signal);
    }
    return Math.round(this.#monitor.nowMs - since.sinceMs);
  }

  #leftMs(seconds: number): number {
    return seconds * 1_000 - this.#monitor.nowMs;
  }

  #tell(): void {
    const { seconds, onProgress } = this.#options;
    const remainingMs = Math.max(0, this.#leftMs(seconds));
    const { samples } = this.#monitor;
    const now = samples.at(-1)?.accepted ?? 0;
    const before = samples.at(-1 - 1_000 / timelineStepMs)?.accepted ?? 0;
    onProgress({
      share: Math.min(1, 1 - remainingMs / (seconds * 1_000)),
      remainingMs,
      accepted: now,
      applied: samples.at(-1)?.applied ?? 0,
      ratePerSecond: now - before,
      fault: this.#current,
    });
  }
}
