import { setImmediate } from "node:timers/promises";
import type { WorkerCache } from "../cache/cache.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { asError, isMillraceError } from "../lib/errors.ts";
import type { Service } from "../lib/lifecycle.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Random } from "../lib/random.ts";
import type { Batch } from "../queue/engine.ts";
import type { Queue } from "../queue/queue.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { AnyWorker } from "../system/worker.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { ClockWatch } from "./clock-watch.ts";
import { Gathering } from "./gathering.ts";
import { checkedEnds, firstPositions, knowQueue } from "./known-queue.ts";
import { type LineBounds, type LineFull, Lines } from "./lines.ts";
import type {
  Place,
  Progress as ProgressReport,
  ScheduledId,
  Standing,
  WorkerLink,
} from "./link.ts";
import { Outbox } from "./outbox.ts";
import { isDependencyFailure } from "./outcome.ts";
import { Ownership, type OwnershipParts } from "./ownership.ts";
import { Pass } from "./pass.ts";
import type { Observe } from "./pass-points.ts";
import { Progress } from "./progress.ts";
import { Queries } from "./queries.ts";
import { Reader } from "./reader.ts";
import { Schedules } from "./schedules.ts";
import { Solitude } from "./solitude.ts";
import { Standings } from "./standings.ts";
import { WorkerStore } from "./store.ts";
import { Suspicion } from "./suspicion.ts";
import { prepareBookkeeping } from "./tables.ts";
import { Timers } from "./timers.ts";

export interface WorkerParts extends Pick<OwnershipParts, "run" | "leaseTimes"> {
  readonly system: SystemDefinition;
  readonly definition: AnyWorker;
  /** The name of this process among the worker's instances; a restarted process keeps it. */
  readonly instance: string;
  /** The versions that run, for people: `shop 1.4.0, millrace 0.1.0`. */
  readonly version: string;
  readonly queue: Queue;
  readonly database: DatabaseEngine;
  readonly cache: WorkerCache;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Called once, when the instance has handled its first events. */
  readonly onProgress?: () => void;
  /** Called once with what the instance cannot get over: the process should end. */
  readonly onFatal: (error: Error) => void;
  /**
   * How long handled ids are remembered: longer than the queue keeps events and knows ids, so that
   * nothing it can deliver again is new. The limit where not given.
   */
  readonly inboxMs?: number;
  /**
   * Partition → the position behind which a worker begins that is new; else as its definition says.
   */
  readonly starts?: ReadonlyMap<number, number>;
  /** What its handlers emit is on the queue already: it is not emitted again. */
  readonly isReplay?: boolean;
  /** How much may wait in the worker's database; the limits where not given. */
  readonly lineBounds?: LineBounds;
  /** Shared by the instances of one process, so that each knows of the others at once. */
  readonly progress?: Progress;
  /** Shared by them, too: what may end the process is not tried beside the others' events. */
  readonly solitude?: Solitude;
  /** Told where the instance stands, step by step: this is how tests crash it there. */
  readonly observe?: Observe;
}

export interface Worker extends Service, WorkerLink {
  /** What the instance is waiting for, if a dependency is broken; undefined while all is well. */
  readonly waitingFor: string | undefined;
}

/**
 * One instance of a worker service: it takes events, hands them to their handlers, and commits all
 * that follows in one transaction of the worker's database (pass.ts).
 *   stopped ──start──▶ running ⇄ waiting (a dependency is broken)
 *      ▲                  │ what it cannot get over: fatal
 *      └──────stop────────┘
 */
export function createWorker(parts: WorkerParts): Worker {
  return new WorkerInstance(parts);
}

class WorkerInstance implements Worker {
  readonly name: string;
  readonly #parts: WorkerParts;
  readonly #stop = new AbortController();
  readonly #ownership: Ownership;
  readonly #outbox: Outbox;
  readonly #progress: Progress;
  readonly #pass: Pass;
  readonly #schedules: Schedules;
  readonly #reader: Reader;
  readonly #queries: Queries;
  readonly #standings: Standings;
  readonly #suspicion: Suspicion;
  readonly #clockWatch: ClockWatch;
  /** Partitions that wait until there is room for what has to wait. */
  readonly #full = new Map<number, LineFull>();
  readonly #store: WorkerStore;
  readonly #timers: Timers;
  readonly #gathering: Gathering;
  #starting: Promise<void> | undefined;
  #running: Promise<void> | undefined;
  #failures = 0;
  #waitingFor: string | undefined;
  #hasProgressed = false;
  #pruneAt = 0;
  #changeCount: number | undefined;

  constructor(parts: WorkerParts) {
    const { clock, database, definition, queue, system } = parts;
    const stop = this.#stop.signal;
    const source = `/${system.name}/${definition.name}`;
    const handlers = new Map(definition.handlers.map((handler) => [handler.event.type, handler]));
    this.#parts = parts;
    this.name = definition.name;
    this.#store = new WorkerStore(database);
    this.#ownership = new Ownership(parts);
    this.#progress = parts.progress ?? new Progress(database, clock);
    const timers = new Timers(database);
    const shared = { ...parts, worker: this.name, store: this.#store, timers, stop };
    this.#outbox = new Outbox(shared);
    this.#clockWatch = new ClockWatch({ ...shared, ownership: this.#ownership });
    this.#suspicion = new Suspicion(database, this.#store);
    this.#pass = new Pass({
      ...shared,
      lines: new Lines(this.#store, parts.lineBounds),
      suspicion: this.#suspicion,
      solitude: parts.solitude ?? new Solitude(),
      onProgress: () => {
        if (!this.#hasProgressed) parts.onProgress?.();
        this.#hasProgressed = true;
      },
      source,
      handlers,
      ownership: this.#ownership,
      outbox: this.#outbox,
      progress: this.#progress,
    });
    this.#schedules = new Schedules({
      ...shared,
      source,
      schedules: definition.schedules,
      ownership: this.#ownership,
      outbox: this.#outbox,
    });
    this.#reader = new Reader(queue, new Set(handlers.keys()), clock);
    this.#queries = new Queries({ ...shared, progress: this.#progress });
    this.#timers = timers;
    this.#gathering = new Gathering(clock);
    this.#standings = new Standings(database, this.#progress);
  }

  get waitingFor(): string | undefined {
    return this.#waitingFor;
  }

  async start(): Promise<void> {
    if (this.#running !== undefined || this.#stop.signal.aborted) return;
    this.#starting = this.#begin();
    await this.#starting;
  }

  async #begin(): Promise<void> {
    const { database, definition, queue, starts } = this.#parts;
    await prepareBookkeeping(database);
    await database.migrate(definition.name, definition.database.migrations);
    await knowQueue(database, queue, definition.name);
    await this.#ownership.prepare(starts ?? (await firstPositions(queue, definition.startFrom)));
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    // Who asked for the start hears of its failure.
    await this.#starting?.catch(() => {});
    await this.#running;
    await this.#reader.close();
    if (this.#running === undefined) return;
    this.#running = undefined;
    await this.#outbox.idle();
    await this.#outbox.stop();
    await this.#ownership.release().catch((thrown) => {
      this.#parts.log.warn({ err: asError(thrown) }, "the leases were left to run out");
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  query(name: string, search: string, after: readonly Place[], ...signals: readonly AbortSignal[]) {
    return this.#queries.run(name, search, after, signals);
  }

  async standing(place: Place, waitMs: number, signal?: AbortSignal): Promise<Standing> {
    return await this.#standings.standing(place, waitMs, signal);
  }

  async cancel(scheduled: ScheduledId, place?: Place, signal?: AbortSignal): Promise<boolean> {
    const { clock, database } = this.#parts;
    // Before it is taken from the queue there is nothing yet to cancel.
    if (place !== undefined) await this.#progress.awaitPlace(this.name, place, signal);
    const isCancelled = await this.#timers.cancel(database, scheduled, clock.now());
    this.#progress.wake();
    return isCancelled;
  }

  async progress(): Promise<ProgressReport> {
    return await this.#standings.report();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        // With a backlog nothing in a turn waits for the outside: queries, heartbeats and timers
        // get theirs here.
        await setImmediate();
        await this.#turn();
        if (this.#failures > 0) await this.#goOn();
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        if (!(await this.#recover(asError(thrown)))) return;
      }
    }
  }

  /** One turn: keep the partitions, try what is due, take what is new. */
  async #turn(): Promise<void> {
    if (this.#ownership.isDue) await this.#beat();
    await this.#schedules.tick();
    await this.#pass.drainDue();
    const waitMs = Math.min(
      this.#pass.msUntilDue,
      this.#schedules.msUntilDue,
      this.#ownership.msUntilDue,
      limits.idleWaitMs,
    );
    const batch = await this.#reader.next(waitMs, this.#stop.signal);
    if (batch.isWorth) await this.#handle(batch);
    else this.#progress.reached(batch.positions);
    await this.#gathering.after(batch.events.length, this.#stop.signal);
  }

  async #handle(batch: Batch): Promise<void> {
    const stopped = await this.#pass.handle(batch);
    for (const full of stopped) {
      this.#full.set(full.partition, full);
      this.#parts.log.warn({ partition: full.partition, key: full.key }, full.message);
    }
    if (stopped.length > 0) await this.#readOn();
  }

  /** Reads on behind what is applied, where nothing stands against it. */
  async #readOn(): Promise<void> {
    const moving = [...this.#ownership.owned.values()].filter(
      ({ partition, isPaused }) => !isPaused && !this.#full.has(partition),
    );
    await this.#reader.restart(moving);
  }

  async #letGoOn(): Promise<boolean> {
    const before = this.#full.size;
    for (const [partition, full] of this.#full) {
      if (await this.#pass.hasRoom(full)) this.#full.delete(partition);
    }
    return this.#full.size < before;
  }

  async #beat(): Promise<void> {
    if (await this.#clockWatch.heed()) {
      this.#pruneAt = 0;
      this.#pass.linesChanged();
    }
    const { taken, lost, isPauseChanged } = await this.#ownership.beat();
    if (this.#parts.clock.now() >= this.#pruneAt) await this.#prune();
    const isRoomier = await this.#letGoOn();
    if (isPauseChanged || this.#isTouchedByOthers()) this.#pass.linesChanged();
    if (taken.length === 0 && lost.length === 0) {
      if (isPauseChanged || isRoomier) await this.#readOn();
      return;
    }
    await this.#suspicion.take(taken, await checkedEnds(this.#parts.queue, this.name, taken));
    this.#ownership.settled(taken);
    this.#suspicion.lost(lost);
    for (const partition of lost) this.#full.delete(partition);
    this.#progress.lost(lost);
    this.#outbox.drop(lost);
    this.#pass.linesChanged();
    await this.#outbox.adopt(taken.map(({ partition }) => partition));
    await this.#readOn();
    this.#progress.reached(taken.map(({ partition, position }) => [partition, position]));
    const partitions = this.#ownership.partitions;
    this.#parts.log.info({ partitions: partitions.length }, "partitions changed hands");
  }

  /** Whether another connection has written to the database: it may have changed the lines. */
  #isTouchedByOthers(): boolean {
    const count = this.#parts.database.changeCount?.();
    const isChanged = count === undefined || count !== this.#changeCount;
    this.#changeCount = count;
    return isChanged;
  }

  async #prune(): Promise<void> {
    const { clock, database, inboxMs = limits.inboxMs } = this.#parts;
    const inboxBefore = clock.now() - inboxMs;
    await database.transaction(async (tx) => {
      await this.#store.sweepInbox(tx, limits.inboxSweepIds, inboxBefore);
      await this.#store.pruneTouches(tx, limits.touchesKeptMax);
      await this.#timers.prune(tx, inboxBefore);
    });
    this.#pruneAt = clock.now() + limits.pruneIntervalMs;
  }

  /**
   * Decides what a failed turn means. Whatever it was, what this instance believes of its
   * partitions is doubtful afterwards, so it takes and reads them anew. False: it cannot go on.
   */
  async #recover(error: Error): Promise<boolean> {
    const { clock, log, onFatal } = this.#parts;
    this.#progress.lost(this.#ownership.partitions);
    this.#ownership.forget();
    await this.#reader.close().catch(() => {});
    this.#pass.linesChanged();
    if (isMillraceError(error, "MR_FENCED")) {
      log.warn({ err: error }, "another instance took over; nothing of this one was committed");
      return true;
    }
    if (!isDependencyFailure(error)) {
      log.error({ err: error }, "the worker cannot go on");
      this.#waitingFor = error.message;
      onFatal(error);
      return false;
    }
    this.#failures += 1;
    this.#waitingFor = error.message;
    const delayMs = Math.min(limits.dependencyBackoffMaxMs, 50 * 2 ** Math.min(this.#failures, 10));
    log.warn({ err: error, delayMs }, "the worker waits for what it depends on");
    // Where it is the database that is broken, the log alone tells.
    await this.#ownership.tell(error.message).catch(() => {});
    await clock.sleep(delayMs, this.#stop.signal);
    return true;
  }

  async #goOn(): Promise<void> {
    await this.#ownership.tell(undefined);
    this.#parts.log.info({}, "the worker goes on");
    this.#failures = 0;
    this.#waitingFor = undefined;
  }
}
