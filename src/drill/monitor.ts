import type { Clock } from "../lib/clock.ts";
import type { Judge } from "./judge.ts";
import type { Load } from "./load.ts";
import { type Sample, timelineStepMs } from "./timeline.ts";

/**
 * An instant from which on the system has to show that it works again: it does once an event of
 * every key that was accepted since has been applied by every worker. Keys lie in all partitions,
 * so that one partition which stands still is enough to be seen.
 */
export interface Mark {
  readonly sinceMs: number;
  /** Undefined as long as that has not been seen. */
  readonly recoveredAtMs: number | undefined;
}

interface OpenMark extends Mark {
  recoveredAtMs: number | undefined;
  /** Key → how many of its events had been accepted. */
  readonly accepted: ReadonlyMap<string, number>;
}

const sum = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((total, count) => total + count, 0);

/** Looks how far the system is, for as long as a drill runs. */
export class Monitor {
  readonly samples: Sample[] = [];
  readonly startedAt: number;
  readonly #judge: Judge;
  readonly #load: Load;
  readonly #keys: readonly string[];
  readonly #clock: Clock;
  readonly #marks: OpenMark[] = [];
  readonly #end = new AbortController();
  readonly #looking: Promise<void>;

  constructor(judge: Judge, load: Load, clock: Clock) {
    this.#judge = judge;
    this.#load = load;
    this.#keys = load.keys;
    this.#clock = clock;
    this.startedAt = clock.monotonic();
    this.#looking = this.#watch();
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.#clock.monotonic() - this.startedAt;
  }

  mark(): Mark {
    const accepted = new Map(this.#load.accepted);
    const mark: OpenMark = { sinceMs: this.nowMs, recoveredAtMs: undefined, accepted };
    this.#marks.push(mark);
    return mark;
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#looking;
  }

  async #watch(): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.#look();
      await this.#clock.sleep(timelineStepMs - (this.nowMs % timelineStepMs), this.#end.signal);
    }
    await this.#look();
  }

  async #look(): Promise<void> {
    // A database that cannot be asked now has applied what it had.
    const applied = await this.#judge.applied().catch(() => undefined);
    const atMs = this.nowMs;
    const known = this.samples.at(-1)?.applied ?? 0;
    const accepted = sum(this.#load.accepted);
    this.samples.push({ atMs, accepted, applied: applied === undefined ? known : sum(applied) });
    if (applied === undefined) return;
    for (const mark of this.#marks) {
      const isBack = (key: string) => (applied.get(key) ?? 0) > (mark.accepted.get(key) ?? 0);
      if (this.#keys.every(isBack)) mark.recoveredAtMs ??= atMs;
    }
  }
}
