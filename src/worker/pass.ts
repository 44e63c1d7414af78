import { setImmediate } from "node:timers/promises";
import type { WorkerCache } from "../cache/cache.ts";
import type { TransactionView } from "../cache/transaction-view.ts";
import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Random } from "../lib/random.ts";
import type { Batch, QueuedEvent } from "../queue/engine.ts";
import type { HandlerDefinition } from "../system/handler.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { advanceOf, advancesTo, reachedBy } from "./advances.ts";
import { AttemptTimeout, type Job } from "./attempt.ts";
import { Commits, type Task, type Verdicts } from "./commits.ts";
import { Jobs } from "./jobs.ts";
import { Ledger } from "./ledger.ts";
import { LineFull, type Lines } from "./lines.ts";
import { formatPlace } from "./link.ts";
import type { Outbox } from "./outbox.ts";
import { ProcessEnded } from "./outcome.ts";
import type { OwnedPartition, Ownership } from "./ownership.ts";
import type { Observe } from "./pass-points.ts";
import { prepareAll } from "./prepare-all.ts";
import type { Progress } from "./progress.ts";
import { Runner, type RunnerParts } from "./runner.ts";
import type { Solitude } from "./solitude.ts";
import type { ParkedEvent, WorkerStore } from "./store.ts";
import type { Suspicion } from "./suspicion.ts";
import { TimeLimits } from "./time-limits.ts";
import type { Timers } from "./timers.ts";

export interface PassParts {
  /** `/{system}/{worker}`: the source of what the handlers emit. */
  readonly source: string;
  readonly worker: string;
  readonly handlers: ReadonlyMap<string, HandlerDefinition>;
  readonly database: DatabaseEngine;
  readonly store: WorkerStore;
  readonly timers: Timers;
  readonly cache: WorkerCache;
  readonly ownership: Ownership;
  readonly outbox: Outbox;
  readonly progress: Progress;
  readonly lines: Lines;
  readonly suspicion: Suspicion;
  readonly solitude: Solitude;
  readonly onProgress: () => void;
  readonly isReplay?: boolean;
  readonly inboxMs?: number;
  /** The versions that run, told with each failed attempt. */
  readonly version: string;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly random: Random;
  readonly stop: AbortSignal;
  readonly observe?: Observe;
}

/**
 * One pass of an instance: events go through their handlers, and everything that follows from it is
 * committed in one transaction of the worker's database.
 *
 *   claim (inbox) → join parked lines → handlers → record outcomes → advance positions → block
 *     → COMMIT → release cache → tell who waits → relay the outbox
 *
 * A batch runs without savepoints, since nearly all succeed. When one fails, the batch is rolled
 * back and runs again with a savepoint for each event, so that a failure costs only itself. Where a
 * handler may have ended the process of a predecessor, events go in small groups (suspicion.ts).
 */
export class Pass {
  readonly #parts: PassParts;
  readonly #jobs: Jobs;
  readonly #commits: Commits;
  readonly #timeLimits: TimeLimits;
  readonly #runnerParts: RunnerParts;
  /** When the next head of a line is due; 0 asks the database. */
  #nextDueAt = 0;
  /** False only while no line can exist: then nobody needs to look for parked keys. */
  #mayBeParked = true;
  #claimedSinceSweep = 0;

  constructor(parts: PassParts) {
    this.#parts = parts;
    this.#timeLimits = new TimeLimits(parts.clock);
    this.#jobs = new Jobs(parts);
    const decide = (job: Job, thrown: unknown) => this.#jobs.decide(job, thrown);
    this.#commits = new Commits({ ...parts, decide });
    const dependent = new Set<HandlerDefinition>();
    this.#runnerParts = { ...parts, timeLimits: this.#timeLimits, decide, dependent };
  }

  /** The lines may have changed: partitions changed hands, or a person was here. */
  linesChanged(): void {
    this.#nextDueAt = 0;
    this.#mayBeParked = true;
    this.#parts.lines.forget();
  }

  /** Milliseconds until the next line is due; Infinity where none waits. */
  get msUntilDue(): number {
    return Math.max(0, this.#nextDueAt - this.#parts.clock.now());
  }

  /**
   * Handles a batch from the queue, and moves the positions behind it. Where an event would have to
   * wait and has no room, its partition stops before it, which is returned.
   */
  async handle(batch: Batch): Promise<readonly LineFull[]> {
    const stopped: LineFull[] = [];
    for (let rest = batch; ; ) {
      try {
        await this.#handle(rest);
        return stopped;
      } catch (thrown) {
        if (!(thrown instanceof LineFull)) throw thrown;
        stopped.push(thrown);
        rest = this.#upTo(thrown, rest);
      }
    }
  }

  /** The batch without what lies behind a line that is full. */
  #upTo({ partition, position }: LineFull, { events, positions }: Batch): Batch {
    const kept = events.filter(
      (queued) => queued.partition !== partition || queued.position < position,
    );
    const last = kept.findLast((queued) => queued.partition === partition)?.position;
    const owned = this.#parts.ownership.owned.get(partition);
    const reached = new Map(positions).set(partition, last ?? owned?.position ?? position - 1);
    return { events: kept, positions: reached };
  }

  async #handle({ events, positions }: Batch): Promise<void> {
    const { ownership, suspicion } = this.#parts;
    // What was handled before a full line stopped the batch is applied already.
    const isNew = ({ partition, position }: QueuedEvent) =>
      position > (ownership.owned.get(partition)?.position ?? position);
    const fresh = events.filter(isNew);
    if (fresh.some(({ partition }) => suspicion.covers(partition))) {
      await this.#handleSuspected(fresh);
      await this.#handleTogether({ advances: advancesTo(ownership.owned, positions), jobs: [] });
      suspicion.reached(ownership.owned.values());
      return;
    }
    await this.#alone(false, async () => {
      const jobs = fresh.map((queued) => this.#jobs.of(queued));
      await this.#prepare(jobs);
      await this.#handleGroup({ advances: advancesTo(ownership.owned, positions), jobs });
    });
  }

  /** In groups that are noted before they begin, each in a transaction of its own. */
  async #handleSuspected(events: readonly QueuedEvent[]): Promise<void> {
    const { ownership, stop, suspicion } = this.#parts;
    for (let rest = events; rest.length > 0; ) {
      await setImmediate();
      stop.throwIfAborted();
      await ownership.renew();
      const group = rest.slice(0, suspicion.togetherOf(rest));
      await this.#alone(group.length === 1, () => this.#handleNoted(group));
      suspicion.passed(group);
      rest = rest.slice(group.length);
    }
  }

  async #handleNoted(group: readonly QueuedEvent[]): Promise<void> {
    const { ownership, suspicion } = this.#parts;
    const begun = await this.#begin(group.map((queued) => this.#jobs.of(queued)));
    const advances = advancesTo(ownership.owned, reachedBy(group));
    await this.#handleGroup({ ...begun, advances }).catch(async (thrown) => {
      // The process lives, and all of it is undone.
      if (thrown instanceof LineFull) await suspicion.over(group);
      throw thrown;
    });
  }

  /** Beside other instances in this process, or, where it may end it, with none of them. */
  #alone(isAlone: boolean, work: () => Promise<void>): Promise<void> {
    const { solitude } = this.#parts;
    return isAlone ? solitude.alone(work) : solitude.among(work);
  }

  /** Together; one after another where one of several takes too long. */
  async #handleGroup(task: Task): Promise<void> {
    try {
      await this.#handleTogether(task);
    } catch (thrown) {
      if (!(thrown instanceof AttemptTimeout)) throw thrown;
      const verdict = this.#jobs.decide(thrown.job, thrown);
      const verdicts = new Map(task.verdicts).set(formatPlace(thrown.job.queued), verdict);
      await this.#handleSingly({ ...task, verdicts });
    }
  }

  /** Tries the heads of lines whose time has come, each line in a transaction of its own. */
  async drainDue(): Promise<void> {
    const { clock, ownership, stop, suspicion } = this.#parts;
    if (this.#nextDueAt > clock.now() || ownership.owned.size === 0) return;
    const due = await this.#dueHeads();
    for (const head of due) {
      if (stop.aborted) return;
      await setImmediate();
      await ownership.renew();
      await this.#alone(suspicion.coversLine(head), () => this.#drainLine(head));
    }
    if (due.length === 0) suspicion.reached(ownership.owned.values());
  }

  /** The heads whose time has come; events that were scheduled for by now are among them. */
  async #dueHeads(): Promise<readonly ParkedEvent[]> {
    const { clock, database, lines, ownership, store, timers } = this.#parts;
    const moving = [...ownership.owned.values()].filter(({ isPaused }) => !isPaused);
    const partitions = moving.map(({ partition }) => partition);
    const now = clock.now();
    const found = await database.transaction(async (tx) => {
      const fired = await timers.fire(tx, partitions, now, limits.passEventsMax);
      const due = await store.due(tx, partitions, now, limits.passEventsMax);
      const timer = await timers.nextDue(tx, partitions, now);
      return { fired, due, timer, ...(await store.parkedState(tx, partitions, now)) };
    });
    if (found.fired > 0) lines.forget();
    const { due, nextAt = Number.POSITIVE_INFINITY, timer = nextAt, anyParked } = found;
    this.#nextDueAt = due.length > 0 ? 0 : Math.min(nextAt, timer);
    this.#mayBeParked = anyParked;
    return due;
  }

  /** Whether a partition that was stopped for want of room may go on. */
  async hasRoom(full: LineFull): Promise<boolean> {
    return await this.#parts.database.transaction((tx) => this.#parts.lines.hasRoom(tx, full));
  }

  /** One event after another, each in a transaction of its own. */
  async #handleSingly({ jobs, advances, ...others }: Task): Promise<void> {
    const { ownership, stop } = this.#parts;
    for (const job of jobs) {
      await setImmediate();
      stop.throwIfAborted();
      await ownership.renew();
      const step = advancesTo(ownership.owned, reachedBy([job.queued]));
      await this.#handleTogether({ ...others, advances: step, jobs: [job] });
    }
    const reached = new Map(advances.map(({ partition, to }) => [partition, to]));
    await this.#handleTogether({ advances: advancesTo(ownership.owned, reached), jobs: [] });
  }

  /** What is slow by intention: the leases are renewed meanwhile. */
  async #prepare(jobs: readonly Job[]): Promise<void> {
    const due = jobs.filter(({ handler, dueAt }) => handler.prepare && dueAt === undefined);
    if (due.length === 0) return;
    const { clock, database, observe, ownership, stop } = this.#parts;
    observe?.("before-prepare");
    // Whoever has lost a partition hears of it at the commit.
    const renew = () => void ownership.renew().catch(() => {});
    using _renewal = clock.every(ownership.heartbeatMs, renew);
    const timeLimits = this.#timeLimits;
    await prepareAll(due, database.reader, { timeLimits, stop });
    observe?.("after-prepare");
  }

  async #handleTogether(task: Task): Promise<void> {
    const { jobs } = task;
    await this.#commit(jobs.length > 1, task, (tx, view, verdicts, isSingly) =>
      this.#handleAll(tx, view, jobs, verdicts, isSingly),
    );
  }

  async #commit(...call: Parameters<Commits["run"]>): Promise<void> {
    const ledger = await this.#commits.run(...call);
    if (ledger.lineCount > 0) this.#mayBeParked = true;
    this.#nextDueAt = Math.min(this.#nextDueAt, ledger.nextDueAt);
  }

  async #drainLine(head: ParkedEvent): Promise<void> {
    const owned = this.#parts.ownership.owned.get(head.partition);
    if (owned === undefined) return;
    const task = await this.#lineTask(head, owned);
    const isAlone = task.isNoted === true;
    await this.#commit(false, task, (tx, view, verdicts) =>
      // A timeout ends the transaction, so after one only the head is tried.
      this.#drainFrom(
        tx,
        view,
        head,
        { job: task.jobs[0], isAlone: isAlone || verdicts.size > 0 },
        verdicts,
      ),
    );
    if (isAlone) this.#parts.suspicion.linePassed(head);
  }

  async #lineTask(head: ParkedEvent, owned: OwnedPartition): Promise<Task> {
    const advances = [advanceOf(owned)];
    if (this.#jobs.handlerOf(head) === undefined) return { advances, jobs: [] };
    const job = this.#jobs.of(head, head);
    if (this.#parts.suspicion.coversLine(head)) {
      return { ...(await this.#begin([job])), advances };
    }
    await this.#prepare([job]);
    return { advances, jobs: [job] };
  }

  /**
   * Notes that attempts begin. The one of a job that is alone is decided already where it was begun
   * before and never ended.
   */
  async #begin(jobs: readonly Job[]): Promise<Omit<Task, "advances">> {
    const { observe, suspicion } = this.#parts;
    observe?.("before-note");
    const attempts = jobs.map(({ attempt, queued }) => ({ ...queued, attempt }));
    const brokenOff = await suspicion.begin(attempts);
    if (brokenOff === undefined) {
      observe?.("after-note");
      await this.#prepare(jobs);
      return { jobs, isNoted: true };
    }
    const verdicts = jobs.map((job) => {
      const outcome = this.#jobs.decide({ ...job, attempt: brokenOff }, new ProcessEnded());
      return [formatPlace(job.queued), outcome] as const;
    });
    return { jobs, isNoted: true, verdicts: new Map(verdicts) };
  }

  async #handleAll(
    tx: Transaction,
    view: TransactionView,
    jobs: readonly Job[],
    verdicts: Verdicts,
    isSingly: boolean,
  ): Promise<Ledger> {
    const { clock, lines, store, version } = this.#parts;
    if (jobs.length === 0) return new Ledger(clock, version);
    const events = jobs.map(({ queued }) => queued);
    const fresh = await store.claim(tx, events, clock.now());
    await this.#sweepInbox(tx, fresh.length);
    const waiting = this.#mayBeParked ? await store.lines(tx, fresh) : undefined;
    const ledger = new Ledger(clock, version, waiting);
    const runner = new Runner(this.#runnerParts, { tx, view, ledger, verdicts, isSingly });
    try {
      let next = 0;
      for (const job of jobs) {
        const { queued } = job;
        // Both are in one order; what is missing among the fresh ones was handled before.
        if (queued !== fresh[next]) continue;
        next++;
        if (job.dueAt !== undefined) ledger.schedule(queued, job.dueAt);
        else if (ledger.lineOf(queued.event.key) > 0) await lines.join(tx, queued, ledger);
        else await runner.take(job);
      }
      await runner.finish();
    } finally {
      await runner.idle();
    }
    return ledger;
  }

  async #sweepInbox(tx: Transaction, claimed: number): Promise<void> {
    this.#claimedSinceSweep += claimed;
    if (this.#claimedSinceSweep < limits.inboxSweepIds) return;
    this.#claimedSinceSweep = 0;
    const { clock, inboxMs = limits.inboxMs, store } = this.#parts;
    await store.sweepInbox(tx, 2 * limits.inboxSweepIds, clock.now() - inboxMs);
  }

  /** The head of a line and, as long as all goes well, what waits behind it. */
  async #drainFrom(
    tx: Transaction,
    view: TransactionView,
    head: ParkedEvent,
    { job: headJob, isAlone }: { readonly job: Job | undefined; readonly isAlone: boolean },
    verdicts: Verdicts,
  ): Promise<Ledger> {
    const { store, clock, version } = this.#parts;
    const ledger = new Ledger(clock, version);
    const runner = new Runner(this.#runnerParts, { tx, view, ledger, verdicts, isSingly: true });
    const line = await store.line(tx, head.event.key, limits.passEventsMax + 1);
    for (const [index, waiting] of line.entries()) {
      const handler = this.#jobs.handlerOf(waiting);
      if (handler === undefined) {
        ledger.orphan(waiting);
        continue;
      }
      const isHead = headJob !== undefined && waiting.position === head.position;
      const mustWait = index >= limits.passEventsMax || (waiting.nextAt ?? 0) > clock.now();
      // What has to happen outside the transaction is done for heads: this one is the next.
      const mustBeHead = !isHead && (isAlone || handler.prepare !== undefined);
      if (mustWait || mustBeHead) {
        ledger.wait(waiting, Math.max(waiting.nextAt ?? 0, clock.now()));
        break;
      }
      const job = isHead ? headJob : this.#jobs.of(waiting, waiting);
      await runner.run(job);
      if (ledger.isWaiting(waiting)) break;
      ledger.unparked.push(waiting);
      if (ledger.lineOf(waiting.event.key) > 0) break;
    }
    return ledger;
  }
}
