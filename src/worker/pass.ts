import type { WorkerCache } from "../cache/cache.ts";
import type { TransactionView } from "../cache/transaction-view.ts";
import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import { type Clock, preciseNow } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Random } from "../lib/random.ts";
import type { Batch, QueuedEvent } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { HandlerDefinition } from "../system/handler.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { AttemptTimeout, attempt, type Job } from "./attempt.ts";
import { EventTrace } from "./event-trace.ts";
import { Ledger } from "./ledger.ts";
import type { Outbox } from "./outbox.ts";
import { decide, isDependencyFailure, type Outcome, type RetryPolicy } from "./outcome.ts";
import type { Ownership } from "./ownership.ts";
import { prepareAll } from "./prepare-all.ts";
import type { Progress } from "./progress.ts";
import type { Advance, OutboxRow, ParkedEvent, WorkerStore } from "./store.ts";

export interface PassParts {
  /** `/{system}/{worker}`: the source of what the handlers emit. */
  readonly source: string;
  readonly worker: string;
  readonly handlers: ReadonlyMap<string, HandlerDefinition>;
  readonly database: DatabaseEngine;
  readonly store: WorkerStore;
  readonly cache: WorkerCache;
  readonly ownership: Ownership;
  readonly outbox: Outbox;
  readonly progress: Progress;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly random: Random;
  readonly stop: AbortSignal;
}

/** What a transaction left to do once it has committed. */
interface Committed {
  readonly ledger: Ledger;
  readonly advances: readonly Advance[];
  readonly posted: readonly OutboxRow[];
  readonly swept: readonly number[];
}

/** Thrown through a transaction of many events to roll it back: then they go one by one. */
class OneFailed extends Error {
  override readonly name = "OneFailed";
}

/**
 * One pass of an instance: events go through their handlers, and everything that follows from it is
 * committed in one transaction of the worker's database.
 *
 *   claim (inbox) → join parked lines → handlers → record outcomes → advance positions → block
 *     → COMMIT → release cache → tell who waits → relay the outbox
 *
 * A batch runs without savepoints, since nearly all succeed. When one fails, the batch is rolled
 * back and runs again with a savepoint for each event, so that a failure costs only itself.
 */
export class Pass {
  readonly #parts: PassParts;
  /** When the next head of a line is due; 0 asks the database. */
  #nextDueAt = 0;
  /** False only while no line can exist: then nobody needs to look for parked keys. */
  #mayBeParked = true;

  constructor(parts: PassParts) {
    this.#parts = parts;
  }

  /** The partitions changed hands: what was known of their lines is not known any more. */
  partitionsChanged(): void {
    this.#nextDueAt = 0;
    this.#mayBeParked = true;
  }

  /** Milliseconds until the next line is due; Infinity where none waits. */
  get msUntilDue(): number {
    return Math.max(0, this.#nextDueAt - this.#parts.clock.now());
  }

  /** Handles a batch from the queue, and moves the positions behind it. */
  async handle(batch: Batch): Promise<void> {
    const { ownership } = this.#parts;
    const events = batch.events.filter(({ partition }) => ownership.owned.has(partition));
    const advances = [...batch.positions].flatMap(([partition, to]) => {
      const owned = ownership.owned.get(partition);
      return owned === undefined
        ? []
        : [{ partition, epoch: owned.epoch, from: owned.position, to }];
    });
    const jobs = new Map(events.map((queued) => [queued, this.#job(queued, 1)]));
    await prepareAll([...jobs.values()], this.#parts.database.reader, this.#parts);
    await this.#commitSingly(jobs.size > 1, (verdicts, isSingly) =>
      this.#commit(advances, (tx, view) => this.#handleAll(tx, view, jobs, verdicts, isSingly)),
    );
  }

  /** Tries the heads of lines whose time has come, each line in a transaction of its own. */
  async drainDue(): Promise<void> {
    const { clock, database, ownership, store } = this.#parts;
    if (this.#nextDueAt > clock.now() || ownership.owned.size === 0) return;
    const { due, nextAt, anyParked } = await database.transaction(async (tx) => ({
      due: await store.due(tx, ownership.partitions, clock.now(), limits.passEventsMax),
      ...(await store.parkedState(tx, ownership.partitions, clock.now())),
    }));
    this.#nextDueAt = due.length > 0 ? 0 : (nextAt ?? Number.POSITIVE_INFINITY);
    this.#mayBeParked = anyParked;
    for (const head of due) {
      if (this.#parts.stop.aborted) return;
      await this.#drainLine(head);
    }
  }

  async #drainLine(head: ParkedEvent): Promise<void> {
    const owned = this.#parts.ownership.owned.get(head.partition);
    if (owned === undefined) return;
    const { position } = owned;
    const hold = { partition: head.partition, epoch: owned.epoch, from: position, to: position };
    const jobs = this.#handlerOf(head) === undefined ? [] : [this.#job(head, head.attempts + 1)];
    await prepareAll(jobs, this.#parts.database.reader, this.#parts);
    await this.#commitSingly(false, (verdicts) =>
      this.#commit([hold], (tx, view) => this.#drainFrom(tx, view, head, jobs[0], verdicts)),
    );
  }

  /**
   * Runs `commit` until it holds: together first, then one by one; a timed out attempt is not
   * repeated.
   */
  async #commitSingly(
    isTogetherFirst: boolean,
    commit: (verdicts: ReadonlyMap<Job, Outcome>, isSingly: boolean) => Promise<void>,
  ): Promise<void> {
    const verdicts = new Map<Job, Outcome>();
    for (let isSingly = !isTogetherFirst; ; isSingly = true) {
      try {
        return await commit(verdicts, isSingly);
      } catch (thrown) {
        if (thrown instanceof AttemptTimeout)
          verdicts.set(thrown.job, this.#decide(thrown.job, thrown));
        else if (!(thrown instanceof OneFailed)) throw thrown;
      }
    }
  }

  async #handleAll(
    tx: Transaction,
    view: TransactionView,
    jobs: ReadonlyMap<QueuedEvent, Job>,
    verdicts: ReadonlyMap<Job, Outcome>,
    isSingly: boolean,
  ): Promise<Ledger> {
    const { store, clock } = this.#parts;
    if (jobs.size === 0) return new Ledger();
    const fresh = await store.claim(tx, [...jobs.keys()], clock.now());
    const ledger = new Ledger(this.#mayBeParked ? await store.parkedKeys(tx, fresh) : []);
    for (const queued of fresh) {
      const job = jobs.get(queued);
      if (job === undefined) continue;
      if (ledger.parkedKeys.has(queued.event.key)) ledger.follow(queued);
      else await this.#run(tx, view, job, ledger, verdicts, isSingly);
    }
    return ledger;
  }

  /** The head of a line and, as long as all goes well, what waits behind it. */
  async #drainFrom(
    tx: Transaction,
    view: TransactionView,
    head: ParkedEvent,
    headJob: Job | undefined,
    verdicts: ReadonlyMap<Job, Outcome>,
  ): Promise<Ledger> {
    const { store, clock } = this.#parts;
    const ledger = new Ledger();
    const line = await store.line(tx, head.event.key, limits.passEventsMax + 1);
    for (const [index, waiting] of line.entries()) {
      const handler = this.#handlerOf(waiting);
      if (handler === undefined) {
        ledger.orphan(waiting, clock);
        continue;
      }
      const isHead = headJob !== undefined && waiting.position === head.position;
      const mustWait = index >= limits.passEventsMax || (waiting.nextAt ?? 0) > clock.now();
      // A handler with a `prepare` step has it run outside the transaction: it is the next head.
      const needsPrepare = !isHead && handler.prepare !== undefined;
      if (mustWait || needsPrepare) {
        ledger.wait(waiting, Math.max(waiting.nextAt ?? 0, clock.now()));
        break;
      }
      const job = isHead ? headJob : this.#job(waiting, waiting.attempts + 1);
      await this.#run(tx, view, job, ledger, verdicts, true);
      if (ledger.parkedKeys.has(waiting.event.key)) break;
      ledger.unparked.push(waiting);
    }
    return ledger;
  }

  async #run(
    tx: Transaction,
    view: TransactionView,
    job: Job,
    ledger: Ledger,
    verdicts: ReadonlyMap<Job, Outcome>,
    isSingly: boolean,
  ): Promise<void> {
    const { clock, source, stop } = this.#parts;
    const verdict = verdicts.get(job);
    if (verdict !== undefined) return ledger.settle(job, verdict, [], clock);
    const scope = { tx, view, source, clock, stop };
    let emitted: readonly EventRecord[] = [];
    let outcome: Outcome = { kind: "done" };
    const mark = view.mark();
    try {
      emitted = isSingly
        ? await tx.savepoint(() => attempt(job, scope))
        : await attempt(job, scope);
    } catch (thrown) {
      // A handler that was interrupted has not failed: everything is undone, and done again later.
      const isInterrupted = stop.aborted || isDependencyFailure(thrown);
      if (thrown instanceof AttemptTimeout || isInterrupted) throw thrown;
      if (!isSingly) throw new OneFailed("the batch runs again, one by one", { cause: thrown });
      view.rollbackTo(mark);
      outcome = this.#decide(job, thrown);
    }
    ledger.settle(job, outcome, emitted, clock);
  }

  async #commit(
    advances: readonly Advance[],
    work: (tx: Transaction, view: TransactionView) => Promise<Ledger>,
  ): Promise<void> {
    const { cache, clock, database, store, outbox } = this.#parts;
    const view = cache.transactionView();
    let blocked: readonly string[] = [];
    try {
      const committed = await database.transaction(async (tx): Promise<Committed> => {
        const ledger = await work(tx, view);
        await store.unpark(tx, ledger.unparked);
        await store.park(tx, ledger.parked);
        await store.bury(tx, ledger.dead);
        const posted = await store.post(tx, ledger.emitted);
        const swept = outbox.hasConfirmed ? await outbox.sweep(tx) : [];
        await store.touch(tx, view.touched);
        await store.advance(tx, advances);
        blocked = [...view.touched];
        await cache.block(blocked);
        return { ledger, advances, posted, swept };
      });
      const committedAt = preciseNow(clock);
      await cache.release(blocked);
      blocked = [];
      await view.settle();
      this.#recordTraces(committed.ledger, view, committedAt);
      this.#afterCommit(committed);
    } finally {
      // Only where the commit did not happen, or nobody knows whether it did.
      await cache.release(blocked);
    }
  }

  #afterCommit({ ledger, advances, posted, swept }: Committed): void {
    const { outbox, ownership, progress } = this.#parts;
    for (const { partition, to } of advances) {
      const owned = ownership.owned.get(partition);
      if (owned !== undefined) owned.position = to;
    }
    if (ledger.parked.length > 0) this.#mayBeParked = true;
    this.#nextDueAt = Math.min(this.#nextDueAt, ledger.nextAttemptAt ?? this.#nextDueAt);
    progress.reached(advances.map(({ partition, to }) => [partition, to]));
    outbox.removed(swept);
    outbox.add(posted);
  }

  #recordTraces(ledger: Ledger, view: TransactionView, committedAt: number): void {
    const { clock } = this.#parts;
    for (const { trace, attempt } of ledger.done) {
      if (trace === undefined) continue;
      trace.committed(committedAt, attempt);
      const keys = view.touched.size;
      if (keys > 0) trace.refreshed(committedAt, preciseNow(clock), keys);
    }
  }

  #job(queued: QueuedEvent, attemptNumber: number): Job {
    const { tracing, worker, clock } = this.#parts;
    const handler = this.#handlerOf(queued);
    if (handler === undefined)
      throw new Error(`assertion failed: no handler of ${queued.event.type}`);
    const trace = EventTrace.of(tracing, worker, queued, preciseNow(clock));
    return { queued, handler, attempt: attemptNumber, trace };
  }

  #handlerOf({ event }: QueuedEvent): HandlerDefinition | undefined {
    return this.#parts.handlers.get(event.type);
  }

  #decide(job: Job, thrown: unknown): Outcome {
    const { clock, random } = this.#parts;
    const policy: RetryPolicy = {
      attempts: job.handler.attempts ?? limits.attemptsMax,
      backoffBaseMs: limits.backoffBaseMs,
      backoffMaxMs: limits.backoffMaxMs,
    };
    return decide(thrown, job.attempt, policy, clock.now(), random);
  }
}
