import type { Hold, WorkerCache } from "../cache/cache.ts";
import type { TransactionView } from "../cache/transaction-view.ts";
import { type DatabaseEngine, type Transaction, TransactionBroken } from "../database/engine.ts";
import { type Clock, preciseNow } from "../lib/clock.ts";
import { isMillraceError } from "../lib/errors.ts";
import { AttemptTimeout, type Job } from "./attempt.ts";
import { Contention } from "./contention.ts";
import type { Ledger } from "./ledger.ts";
import type { Lines } from "./lines.ts";
import { formatPlace, type Place } from "./link.ts";
import type { Outbox } from "./outbox.ts";
import type { Outcome } from "./outcome.ts";
import type { Ownership } from "./ownership.ts";
import type { Observe, PassStep } from "./pass-points.ts";
import type { Progress } from "./progress.ts";
import type { Advance, OutboxRow, WorkerStore } from "./store.ts";
import type { Timers } from "./timers.ts";

export interface CommitParts {
  readonly database: DatabaseEngine;
  readonly store: WorkerStore;
  readonly timers: Timers;
  readonly cache: WorkerCache;
  readonly ownership: Ownership;
  readonly outbox: Outbox;
  readonly progress: Progress;
  readonly lines: Lines;
  readonly clock: Clock;
  /** What is emitted is on the queue already. */
  readonly isReplay?: boolean;
  readonly decide: (job: Job, thrown: unknown) => Outcome;
  readonly observe?: Observe;
  /** Called after each commit of events. */
  readonly onProgress: () => void;
}

/** Outcomes that are known before the event's turn comes, by its place. */
export type Verdicts = Map<string, Outcome>;

/** What one transaction is for. */
export interface Task {
  readonly advances: readonly Advance[];
  readonly jobs: readonly Job[];
  /** The attempts were noted before they began. */
  readonly isNoted?: boolean;
  readonly verdicts?: Verdicts;
}

/** What happens inside; with `isSingly`, each event in a savepoint of its own. */
type Work = (
  tx: Transaction,
  view: TransactionView,
  verdicts: Verdicts,
  isSingly: boolean,
) => Promise<Ledger>;

/** What a transaction left to do once it has committed. */
interface Committed {
  readonly ledger: Ledger;
  readonly advances: readonly Advance[];
  readonly posted: readonly OutboxRow[];
  readonly swept: readonly number[];
}

/** Thrown through a transaction of many events to roll it back: then they go one by one. */
export class OneFailed extends Error {
  override readonly name = "OneFailed";
}

/**
 * The transactions of a pass, and what follows from each: the cache's keys are blocked before the
 * commit and released after it, then whoever waits is told, and the outbox is relayed.
 */
export class Commits {
  readonly #parts: CommitParts;
  readonly #contention = new Contention();

  constructor(parts: CommitParts) {
    this.#parts = parts;
  }

  /**
   * Runs `work` in a transaction until it holds: together first, then one by one; again where
   * transactions of others stood against it, at last while they wait. The attempt of a single event
   * that timed out is counted and not repeated.
   *
   * @throws AttemptTimeout where there are several: each timeout would begin all others anew
   */
  async run(isTogetherFirst: boolean, task: Task, work: Work): Promise<Ledger> {
    const verdicts: Verdicts = new Map(task.verdicts);
    let isSingly = !isTogetherFirst;
    this.#contention.begin();
    for (;;) {
      try {
        const ledger = await this.#commit(task, (tx, view) => work(tx, view, verdicts, isSingly));
        this.#contention.committed();
        return ledger;
      } catch (thrown) {
        const isUndone = isMillraceError(thrown, "MR_DATABASE_CONFLICT");
        if (isUndone && this.#contention.repeats()) continue;
        if (thrown instanceof AttemptTimeout && task.jobs.length <= 1) {
          verdicts.set(formatPlace(thrown.job.queued), this.#parts.decide(thrown.job, thrown));
        } else if (isSingly || !isOneEventsFault(thrown)) throw thrown;
        isSingly = true;
      }
    }
  }

  async #commit(
    { advances, jobs, isNoted = false }: Task,
    work: (tx: Transaction, view: TransactionView) => Promise<Ledger>,
  ): Promise<Ledger> {
    const { cache, clock, database, isReplay, observe, store, timers, outbox } = this.#parts;
    const view = cache.transactionView({ isEmpty: database.hasSnapshots === true });
    const options = { isSerializable: true, isAlone: this.#contention.isAlone };
    let hold: Hold | undefined;
    try {
      const committed = await database.transaction(async (tx): Promise<Committed> => {
        const ledger = await work(tx, view);
        await store.unpark(tx, ledger.unparked);
        await store.park(tx, ledger.parked);
        await store.bury(tx, ledger.dead);
        await timers.schedule(tx, ledger.scheduled);
        if (isNoted) await store.over(tx, placesOf(jobs));
        const posted = await store.post(tx, isReplay === true ? [] : ledger.emitted);
        const swept = outbox.wantsSweep ? await outbox.sweep(tx) : [];
        await store.touch(tx, view.touched);
        await store.advance(tx, advances);
        hold = await cache.block([...view.touched], tx);
        const committed = { ledger, advances, posted, swept };
        this.#pass("before", committed);
        return committed;
      }, options);
      const committedAt = preciseNow(clock);
      this.#pass("after", committed);
      observe?.("before-release");
      await hold?.release();
      hold = undefined;
      observe?.("after-release");
      await view.settle();
      this.#recordTraces(committed.ledger, view, committedAt);
      this.#afterCommit(committed);
      return committed.ledger;
    } catch (thrown) {
      // The commit did not happen, or nobody knows yet whether it will.
      await hold?.release(isMillraceError(thrown, "MR_RESULT_UNKNOWN"));
      throw thrown;
    }
  }

  #pass(side: "before" | "after", committed: Committed): void {
    const { observe } = this.#parts;
    if (observe === undefined) return;
    for (const step of stepsOf(committed)) observe(`${side}-${step}`);
  }

  #afterCommit({ ledger, advances, posted, swept }: Committed): void {
    const { lines, onProgress, outbox, ownership, progress } = this.#parts;
    for (const { partition, to } of advances) {
      const owned = ownership.owned.get(partition);
      if (owned !== undefined) owned.position = to;
    }
    for (const [partition, by] of ledger.growth()) lines.changed(partition, by);
    progress.reached(advances.map(({ partition, to }) => [partition, to]));
    outbox.removed(swept);
    outbox.add(posted);
    if (!ledger.isEmpty) onProgress();
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
}

const placesOf = (jobs: readonly Job[]): Place[] => jobs.map(({ queued }) => queued);

/** Which one's, shows when each has a savepoint of its own. */
const isOneEventsFault = (thrown: unknown): boolean =>
  thrown instanceof OneFailed || thrown instanceof TransactionBroken;

/** The steps that a transaction is at once. */
function stepsOf({ ledger, swept }: Committed): PassStep[] {
  const parts: [PassStep, readonly unknown[]][] = [
    ["park", ledger.parked],
    ["drain", ledger.unparked],
    ["bury", ledger.dead],
    ["sweep", swept],
  ];
  return ["commit", ...parts.flatMap(([step, rows]) => (rows.length > 0 ? [step] : []))];
}
