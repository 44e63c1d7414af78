import type { Kysely } from "kysely";
import type { NewRows, Row, SqlValue, Transaction } from "../../database/engine.ts";
import type { Handle } from "../../database/handle.ts";
import { assert } from "../../lib/errors.ts";
import { databaseFailure } from "./failures.ts";
import { openHandle } from "./kysely.ts";
import type { DatabaseSync } from "./sqlite.ts";
import type { StatementResult, Statements } from "./statements.ts";

/** What a unit of work sees of its transaction. Beginning and ending it is the engine's part. */
export class SqliteTransaction implements Transaction {
  readonly #db: DatabaseSync;
  readonly #statements: Statements;
  #handle: Handle | undefined;
  #depth = 0;
  #ended = false;
  #failure: Error | undefined;

  constructor(db: DatabaseSync, statements: Statements) {
    this.#db = db;
    this.#statements = statements;
  }

  /**
   * The database itself failed during the transaction, so that it cannot commit, whatever the work
   * made of the error: a full disk must not pass for a handler's mistake.
   */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get db(): Kysely<unknown> {
    this.#handle ??= this.#openHandle();
    return this.#handle.db;
  }

  async run<R = Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<R[]> {
    assert(!this.#ended, "a statement ran after its transaction had ended");
    return this.#execute(sql, parameters).rows as R[];
  }

  changeEach(sql: string, rows: readonly (readonly SqlValue[])[]): readonly number[] {
    assert(!this.#ended, "a statement ran after its transaction had ended");
    return this.#guarded(sql, () => this.#statements.changeEach(sql, rows));
  }

  insertNew(rows: NewRows): readonly boolean[] {
    assert(!this.#ended, "a statement ran after its transaction had ended");
    return this.#guarded(`insert into ${rows.table}`, () => this.#statements.insertNew(rows));
  }

  async savepoint<Result>(work: (db: Kysely<unknown>) => Promise<Result>): Promise<Result> {
    const depth = ++this.#depth;
    this.#execute(`savepoint millrace_${depth}`, []);
    const handle = this.#openHandle();
    let keep = false;
    try {
      const result = await work(handle.db);
      keep = true;
      return result;
    } finally {
      handle.close();
      this.#endSavepoint(depth, keep);
    }
  }

  #endSavepoint(depth: number, keep: boolean): void {
    if (this.#failure !== undefined) throw this.#failure;
    assert(this.#depth === depth, "savepoints ended in another order than they began");
    if (!keep) this.#execute(`rollback to millrace_${depth}`, []);
    this.#execute(`release millrace_${depth}`, []);
    this.#depth -= 1;
  }

  /** Closes the handles. Comes before the commit: nothing can slip in behind what was decided. */
  end(): void {
    this.#ended = true;
    this.#handle?.close();
  }

  #openHandle(): Handle {
    return openHandle((sql, parameters) => this.#execute(sql, parameters));
  }

  /**
   * After some failures SQLite has rolled the transaction back by itself; the next statement would
   * then commit on its own. So once one has failed, none runs any more.
   */
  #execute(sql: string, parameters: readonly unknown[]): StatementResult {
    return this.#guarded(sql, () => this.#statements.run(sql, parameters));
  }

  #guarded<Result>(sql: string, run: () => Result): Result {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return run();
    } catch (error) {
      this.#failure = databaseFailure(error) ?? this.#endedBy(sql, error);
      throw this.#failure ?? error;
    }
  }

  /** `insert or rollback` and its like end the transaction of everybody in it. */
  #endedBy(sql: string, cause: unknown): Error | undefined {
    if (this.#db.isTransaction) return undefined;
    return new Error(`A statement rolled back the transaction it ran in: ${sql}`, { cause });
  }
}
