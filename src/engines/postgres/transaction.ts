import type { Kysely } from "kysely";
import {
  type OneRoundHandle,
  type Row,
  type SqlValue,
  type Transaction,
  TransactionBroken,
} from "../../database/engine.ts";
import type { Handle } from "../../database/handle.ts";
import { type Clock, settledWithin } from "../../lib/clock.ts";
import { assert, isMillraceError, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { Connection, StatementResult } from "./connection.ts";
import { databaseFailure, isStandby, standbyFailure } from "./failures.ts";
import { openHandle } from "./kysely.ts";

/**
 * What a unit of work sees of its transaction. Beginning and ending it is the engine's part.
 *
 * A statement that fails ends a PostgreSQL transaction. Handlers may catch its error and go on, so:
 * within a savepoint, where events go one by one, each statement of a handler has a savepoint of
 * its own, sent along with it. Outside, where nearly all succeed, the transaction is broken then,
 * which whoever runs the batch is told (`TransactionBroken`).
 */
export class PostgresTransaction implements Transaction {
  readonly #connection: Connection;
  readonly #clock: Clock;
  /** Settles, well or not, when the server has begun it; not waited for by what follows. */
  readonly #begun: Promise<void>;
  #handle: Handle | undefined;
  readonly #oneRoundHandles = new Set<Handle>();
  /** Settles when the last statement of a handler within a savepoint is answered. */
  #turn: Promise<unknown> = Promise.resolve();
  #depth = 0;
  #ended = false;
  #failure: Error | undefined;
  #broken: TransactionBroken | undefined;
  #isHung = false;

  constructor(connection: Connection, begin: string, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#begun = connection.control(begin).then(
      () => {},
      (error) => void this.#heed(error),
    );
  }

  /**
   * The database itself failed during the transaction, so that it cannot commit, whatever the work
   * made of the error: a lost server must not pass for a handler's mistake.
   */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** A statement that nobody waits for any more does not end. */
  get isHung(): boolean {
    return this.#isHung;
  }

  get db(): Kysely<unknown> {
    this.#handle ??= openHandle((sql, parameters) => this.#byHandler(sql, parameters));
    return this.#handle.db;
  }

  async run<R = Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<R[]> {
    assert(!this.#ended, "a statement ran after its transaction had ended");
    return (await this.#execute(sql, parameters, limits.databaseStatementMs)).rows as R[];
  }

  async savepoint<Result>(work: (db: Kysely<unknown>) => Promise<Result>): Promise<Result> {
    this.#refuse();
    const depth = ++this.#depth;
    const name = `millrace_${depth}`;
    this.#connection.control(`savepoint ${name}`).catch((error) => void this.#heed(error));
    const handle = openHandle((sql, parameters) => this.#inSavepoint(sql, parameters));
    try {
      const result = await work(handle.db);
      handle.close();
      this.#refuse();
      assert(this.#depth === depth, "savepoints ended in another order than they began");
      await this.#release(name);
      this.#depth -= 1;
      return result;
    } catch (error) {
      handle.close();
      await this.#undo(name);
      this.#depth = depth - 1;
      throw error;
    }
  }

  oneRound(): OneRoundHandle {
    let isOver = false;
    let isRefused = false;
    let waiting = 0;
    const handle = openHandle(async (sql, parameters) => {
      if (isOver) {
        isRefused = true;
        throw new Error("This statement came after the answer to another.");
      }
      waiting += 1;
      try {
        return await this.#execute(sql, parameters);
      } finally {
        waiting -= 1;
        isOver = true;
      }
    });
    this.#oneRoundHandles.add(handle);
    return {
      db: handle.db,
      noteRead: () => {
        isOver = true;
      },
      get isRefused() {
        return isRefused;
      },
      get isWaiting() {
        return waiting > 0;
      },
      close: () => {
        this.#oneRoundHandles.delete(handle);
        handle.close();
      },
    };
  }

  /** Closes the handles. Comes before the commit: nothing can slip in behind what was decided. */
  end(): void {
    this.#ended = true;
    this.#handle?.close();
    for (const handle of this.#oneRoundHandles) handle.close();
  }

  /** @throws what stands against committing */
  async check(): Promise<void> {
    await this.#begun;
    this.#refuse();
  }

  #byHandler(sql: string, parameters: readonly unknown[]): Promise<StatementResult> {
    return this.#depth > 0 ? this.#inSavepoint(sql, parameters) : this.#execute(sql, parameters);
  }

  #refuse(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#broken !== undefined) throw this.#broken;
    if (!this.#isHung) return;
    throw new MillraceError("MR_DATABASE_UNAVAILABLE", "A statement of the handler does not end.");
  }

  async #execute(
    sql: string,
    parameters: readonly unknown[],
    limitMs?: number,
  ): Promise<StatementResult> {
    this.#refuse();
    try {
      return await this.#connection.run(sql, parameters, limitMs);
    } catch (error) {
      await this.#begun;
      throw this.#heed(error);
    }
  }

  /** What an error means for the transaction; returns it in the words of whoever is told. */
  #heed(error: unknown): unknown {
    if (isMillraceError(error)) return error;
    const failure = this.#failureOf(error);
    if (failure !== undefined) {
      this.#failure ??= failure;
      return this.#failure;
    }
    // Sent before it was known that the transaction is broken.
    if ((error as { code?: unknown }).code === "25P02" && this.#broken !== undefined) {
      return this.#broken;
    }
    this.#broken ??= new TransactionBroken(error);
    return error;
  }

  #failureOf(error: unknown): Error | undefined {
    return databaseFailure(error) ?? (isStandby(error) ? standbyFailure(error) : undefined);
  }

  /** Statements of a handler go one by one here, so that a failing one takes no other along. */
  #inSavepoint(sql: string, parameters: readonly unknown[]): Promise<StatementResult> {
    const result = this.#turn.then(() => this.#guarded(sql, parameters));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #guarded(sql: string, parameters: readonly unknown[]): Promise<StatementResult> {
    this.#refuse();
    const [, ran] = await Promise.allSettled([
      this.#connection.control("savepoint millrace_statement"),
      this.#connection.run(sql, parameters),
      this.#connection.control("release savepoint millrace_statement"),
    ]);
    if (ran.status === "fulfilled") return ran.value;
    if (isMillraceError(ran.reason)) throw ran.reason;
    await this.#begun;
    if (this.#failureOf(ran.reason) !== undefined) throw this.#heed(ran.reason);
    await this.#rollBackTo("millrace_statement");
    throw ran.reason;
  }

  /** What the application's constraints leave until the commit is checked here, for this event. */
  async #release(name: string): Promise<void> {
    try {
      await this.#connection.control(
        `set constraints all immediate; release savepoint ${name}; set constraints all deferred`,
      );
    } catch (error) {
      throw this.#heed(error);
    }
  }

  /** A statement that still runs is waited for briefly: its handler's time may be up. */
  async #undo(name: string): Promise<void> {
    if (this.#failure !== undefined || this.#isHung) return;
    let isUndone = false;
    const undoing = this.#rollBackTo(name).then(() => {
      isUndone = true;
      this.#broken = undefined;
    });
    await settledWithin(this.#clock, limits.databaseRollbackMs, undoing);
    if (!isUndone && this.#failure === undefined) this.#isHung = true;
  }

  async #rollBackTo(name: string): Promise<void> {
    try {
      await this.#connection.control(`rollback to savepoint ${name}; release savepoint ${name}`);
    } catch (error) {
      throw this.#heed(error);
    }
  }
}
