import { createCache } from "../cache/cache.ts";
import type { CacheEngine } from "../cache/engine.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { Queue } from "../queue/queue.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { AnyWorker } from "../system/worker.ts";
import { noTracing } from "../tracing/no-tracing.ts";
import { formatPlace } from "../worker/link.ts";
import { WorkerStore } from "../worker/store.ts";
import { createWorker } from "../worker/worker.ts";
import { boundedQueue } from "./bounded-queue.ts";
import { carryOver } from "./carry-over.ts";
import { isWanted, type LiveState, liveState, type ReplayFilter } from "./live-state.ts";
import { Takeover } from "./takeover.ts";

export interface RebuildParts {
  readonly system: SystemDefinition;
  readonly worker: AnyWorker;
  readonly version: string;
  readonly queue: Queue;
  /** The database in use, beside its running instances. */
  readonly live: DatabaseEngine;
  /** An empty one. */
  readonly fresh: DatabaseEngine;
  readonly cache: CacheEngine;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Partition → the position behind which the replay begins. */
  readonly from: ReadonlyMap<number, number>;
  readonly filter: ReplayFilter;
  readonly onProgress: (progress: ReplayProgress) => void;
  readonly signal: AbortSignal;
  /**
   * Puts the fresh database in the place of the live one, at once or not at all. Nobody commits to
   * either meanwhile.
   */
  readonly switchOver: () => Promise<void>;
}

export interface ReplayProgress {
  /** Events that went to their handlers. */
  readonly events: number;
  /** From 0 to 1. */
  readonly share: number;
}

/** Rounds before the worker is stopped for the last one: each is shorter than the one before. */
const roundsMax = 5;

/**
 * Rebuilds a worker's database from the queue, beside the running worker. What the worker has
 * applied is applied anew, without emitting anything: its follow-ups are on the queue already. What
 * it has parked, scheduled or given up is left as it is, and carried over at the end.
 *
 * ```
 *   rounds: up to where the worker is now, while it goes on
 *     → the worker is held → the last round → carry over → switch → its instances reopen
 * ```
 */
export async function rebuild(parts: RebuildParts): Promise<ReplayProgress> {
  const rounds = new Rounds(parts);
  for (let round = 1; round <= roundsMax; round++) {
    const state = await liveState(parts.live);
    await rounds.run(state, true);
    if (rounds.isNear(await liveState(parts.live))) break;
  }
  await using takeover = await Takeover.of(parts.live, parts.clock);
  const state = await liveState(parts.live);
  await rounds.catchUp(state);
  await rounds.run(state, false);
  await carryOver(parts.live, parts.fresh, parts.clock.now());
  parts.signal.throwIfAborted();
  await parts.live.transaction((tx) => takeover.confirm(tx));
  await parts.switchOver();
  // Whoever still has the old one open takes nothing from the queue any more.
  await parts.live.transaction((tx) => tx.run("update millrace_positions set paused = 1"));
  return rounds.progress;
}

class Rounds {
  readonly #parts: RebuildParts;
  /** Keys of which something was left out: all that follows of them waits for the last round. */
  readonly #leftKeys = new Set<string>();
  readonly #leftOut = new Map<string, QueuedEvent>();
  #reached: ReadonlyMap<number, number>;
  #events = 0;
  #share = 0;

  constructor(parts: RebuildParts) {
    this.#parts = parts;
    this.#reached = parts.from;
  }

  get progress(): ReplayProgress {
    return { events: this.#events, share: this.#share };
  }

  isNear({ positions }: LiveState): boolean {
    let gap = 0;
    for (const [partition, end] of positions) gap += end - (this.#reached.get(partition) ?? 0);
    return gap <= limits.passEventsMax * 4;
  }

  /** Runs a worker of its own on the fresh database, up to where the live one is. */
  async run(state: LiveState, isLiveGoingOn: boolean): Promise<void> {
    const { clock, filter, fresh, queue, signal, system, version, random, log } = this.#parts;
    const admits = (queued: QueuedEvent): boolean => {
      if (!isWanted(filter, queued)) return false;
      const place = formatPlace(queued);
      const isUnapplied = state.unapplied.has(place);
      if (isLiveGoingOn && (isUnapplied || this.#leftKeys.has(queued.event.key))) {
        this.#leftKeys.add(queued.event.key);
        this.#leftOut.set(place, queued);
        return false;
      }
      if (isUnapplied) return false;
      this.#events += 1;
      return true;
    };
    const bounded = boundedQueue(queue, { upTo: state.positions, admits }, clock);
    let failure: Error | undefined;
    const cache = createCache({
      engine: this.#parts.cache,
      clock,
      ttlMs: limits.cacheEntryMs,
    });
    await using worker = createWorker({
      ...{ system, version, random, log, clock },
      // Its ticks have been on the queue since they were due.
      definition: { ...this.#parts.worker, schedules: [] },
      instance: "replay",
      queue: bounded,
      database: fresh,
      cache,
      tracing: noTracing,
      starts: this.#parts.from,
      isReplay: true,
      onFatal: (error) => {
        failure = error;
      },
    });
    await worker.start();
    while (!(await this.#isThere(state))) {
      if (failure !== undefined) throw failure;
      signal.throwIfAborted();
      await clock.sleep(limits.progressPollMs);
    }
    this.#reached = state.positions;
  }

  /** What was left out and is done by now gets its turn, in order, before all that is newer. */
  async catchUp({ unapplied }: LiveState): Promise<void> {
    const { clock, fresh } = this.#parts;
    const store = new WorkerStore(fresh);
    const late = [...this.#leftOut].filter(([place]) => !unapplied.has(place));
    const events = late.map(([, queued]) => queued);
    this.#events += events.length;
    await fresh.transaction(async (tx) => {
      const heads = new Set<string>();
      const lines = (await store.claim(tx, events, clock.now())).map((queued) => {
        const isHead = !heads.has(queued.event.key);
        heads.add(queued.event.key);
        const nextAt = isHead ? clock.now() : undefined;
        return { ...queued, attempts: 0, nextAt, error: undefined, history: [] };
      });
      await store.park(tx, lines);
    });
  }

  /** Everything is read, and each line has been tried. */
  async #isThere({ positions }: LiveState): Promise<boolean> {
    const { fresh, from, onProgress } = this.#parts;
    const reached = (await liveState(fresh)).positions;
    let done = 0;
    let all = 0;
    for (const [partition, end] of positions) {
      const start = Math.min(from.get(partition) ?? 0, end);
      all += end - start;
      done += Math.min(reached.get(partition) ?? 0, end) - start;
    }
    this.#share = all === 0 ? 1 : done / all;
    onProgress(this.progress);
    if (done < all) return false;
    const [untried] = await fresh.read(
      "select 1 as one from millrace_parked where next_at is not null and attempts = 0 limit 1",
    );
    return untried === undefined;
  }
}
