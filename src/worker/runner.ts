import type { Kysely } from "kysely";
import type { TransactionView } from "../cache/transaction-view.ts";
import type { OneRoundHandle, Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { HandlerDefinition } from "../system/handler.ts";
import {
  type AttemptScope,
  AttemptTimeout,
  attempt,
  attemptTogether,
  type Job,
} from "./attempt.ts";
import { OneFailed, type Verdicts } from "./commits.ts";
import type { Ledger } from "./ledger.ts";
import { formatPlace } from "./link.ts";
import { isDependencyFailure, type Outcome } from "./outcome.ts";
import { SideBySide } from "./side-by-side.ts";
import type { TimeLimits } from "./time-limits.ts";

export interface RunnerParts {
  /** `/{system}/{worker}`: the source of what the handlers emit. */
  readonly source: string;
  readonly clock: Clock;
  readonly timeLimits: TimeLimits;
  readonly stop: AbortSignal;
  readonly decide: (job: Job, thrown: unknown) => Outcome;
  /** Handlers that were found to read before they write. */
  readonly dependent: Set<HandlerDefinition>;
}

/** The transaction that events are handled in. */
export interface Surroundings {
  readonly tx: Transaction;
  readonly view: TransactionView;
  readonly ledger: Ledger;
  readonly verdicts: Verdicts;
  /** Each event in a savepoint of its own. */
  readonly isSingly: boolean;
}

/**
 * Runs handlers within one transaction, and notes in its ledger what came of each event. Events in
 * a row whose handler takes many at once are handed to it together; others run beside each other
 * where the database lets them.
 */
export class Runner {
  readonly #parts: RunnerParts;
  readonly #within: Surroundings;
  /** Events in a row that go to their handler together. */
  #row: Job[] = [];
  readonly #beside: SideBySide | undefined;

  constructor(parts: RunnerParts, within: Surroundings) {
    this.#parts = parts;
    this.#within = within;
    const { tx, isSingly, verdicts } = within;
    if (tx.oneRound === undefined || isSingly || verdicts.size > 0) return;
    const { dependent } = parts;
    this.#beside = new SideBySide({
      oneRound: () => tx.oneRound?.() as OneRoundHandle,
      scope: this.#scope(tx.db),
      dependent,
    });
  }

  /** Handles an event, now or with those behind it: `finish` comes before anything is concluded. */
  async take(job: Job): Promise<void> {
    const [first] = this.#row;
    if (first !== undefined && first.handler !== job.handler) await this.finish();
    const goesWithOthers = job.handler.handleBatch !== undefined && !this.#within.isSingly;
    if (!goesWithOthers && this.#beside?.takes(job)) return await this.#beside.take(job);
    if (this.#beside !== undefined) await this.#finishBeside(this.#beside);
    if (goesWithOthers) this.#row.push(job);
    else await this.run(job);
  }

  async finish(): Promise<void> {
    if (this.#beside !== undefined) await this.#finishBeside(this.#beside);
    if (this.#row.length === 0) return;
    const row = this.#row;
    this.#row = [];
    await this.#runTogether(row);
  }

  /** Nothing runs any more, and nothing begins: what comes next is the transaction's end. */
  async idle(): Promise<void> {
    await this.#beside?.idle();
  }

  async #finishBeside(beside: SideBySide): Promise<void> {
    if (beside.isEmpty) return;
    const { ledger } = this.#within;
    try {
      await beside.finish((job, emitted) => ledger.settle(job, { kind: "done" }, emitted));
    } catch (thrown) {
      if (thrown instanceof AttemptTimeout || this.#isInterrupted(thrown)) throw thrown;
      throw new OneFailed("the batch runs again, one by one", { cause: thrown });
    }
  }

  /** Handles one event alone. */
  async run(job: Job): Promise<void> {
    const { tx, view, ledger, verdicts, isSingly } = this.#within;
    const verdict = verdicts.size === 0 ? undefined : verdicts.get(formatPlace(job.queued));
    if (verdict !== undefined) return ledger.settle(job, verdict, []);
    const mark = view.mark();
    let emitted: readonly EventRecord[] = [];
    let outcome: Outcome = { kind: "done" };
    try {
      emitted = isSingly
        ? await tx.savepoint((db) => attempt(job, this.#scope(db)))
        : await attempt(job, this.#scope(tx.db));
    } catch (thrown) {
      if (thrown instanceof AttemptTimeout || this.#isInterrupted(thrown)) throw thrown;
      if (!isSingly) throw new OneFailed("the batch runs again, one by one", { cause: thrown });
      view.rollbackTo(mark);
      outcome = this.#parts.decide(job, thrown);
    }
    ledger.settle(job, outcome, emitted);
  }

  async #runTogether(row: readonly Job[]): Promise<void> {
    const { tx, ledger } = this.#within;
    let emitted: readonly (readonly EventRecord[])[];
    try {
      emitted = await attemptTogether(row, this.#scope(tx.db));
    } catch (thrown) {
      if (this.#isInterrupted(thrown)) throw thrown;
      // Which of them it was shows when each is alone.
      throw new OneFailed("the batch runs again, one by one", { cause: thrown });
    }
    for (const [at, job] of row.entries()) ledger.settle(job, { kind: "done" }, emitted[at] ?? []);
  }

  /** A handler that was interrupted has not failed: all is undone, and done again later. */
  #isInterrupted(thrown: unknown): boolean {
    return this.#parts.stop.aborted || isDependencyFailure(thrown);
  }

  #scope(db: Kysely<unknown>): AttemptScope {
    const { source, clock, timeLimits, stop } = this.#parts;
    return { db, view: this.#within.view, source, clock, timeLimits, stop };
  }
}
