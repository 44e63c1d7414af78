import type { Kysely } from "kysely";
import type { DatabaseEngine, Dialect, Row, SqlValue, Transaction } from "../../database/engine.ts";
import type { Handle } from "../../database/handle.ts";
import { applyMigrations } from "../../database/migrations.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { asError, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { Migration } from "../../system/database.ts";
import { databaseFailure } from "./failures.ts";
import { openHandle } from "./kysely.ts";
import {
  beginImmediate,
  type DatabaseSync,
  openSqlite,
  type StatementSync,
  sqliteFailure,
  whenFree,
} from "./sqlite.ts";
import { type StatementResult, Statements } from "./statements.ts";
import { SqliteTransaction } from "./transaction.ts";

export interface SqliteDatabaseOptions {
  /** The database file; it and its folder are created where absent. */
  readonly file: string;
  readonly clock?: Clock;
}

const dialect: Dialect = {
  name: "sqlite",
  // Only `value` is visible: json_each has columns called `key` and `id` besides.
  each: (parameter) => `(select value from json_each(${parameter}))`,
  // A function that the engine registers, so that a turned clock turns the database's as well.
  nowMs: "millrace_now_ms()",
};

/**
 * Opens a worker's database in a SQLite file. Several processes may have it open at once.
 *
 * @throws MR_SQLITE_VERSION, MR_DATABASE_UNAVAILABLE, MR_DATA_DAMAGED
 */
export async function openSqliteDatabase(options: SqliteDatabaseOptions): Promise<DatabaseEngine> {
  const { file, clock = systemClock } = options;
  return opened(() => {
    const writer = openSqlite(file);
    return new SqliteDatabase(writer, openSqlite(file, { readOnly: true }), clock);
  });
}

/** A database in memory, gone when it is closed: two connections to one shared cache. */
export async function openSharedMemoryDatabase(
  name: string,
  clock: Clock = systemClock,
): Promise<DatabaseEngine> {
  const file = `file:${name}?mode=memory&cache=shared`;
  return opened(() => {
    const reader = openSqlite(file);
    // A shared cache ignores that a connection is opened for reading only; this it does not.
    reader.exec("pragma query_only = 1");
    return new SqliteDatabase(openSqlite(file), reader, clock);
  });
}

function opened(open: () => DatabaseEngine): DatabaseEngine {
  try {
    return open();
  } catch (error) {
    throw databaseFailure(error) ?? error;
  }
}

class SqliteDatabase implements DatabaseEngine {
  readonly dialect = dialect;
  readonly #writer: DatabaseSync;
  readonly #reading: DatabaseSync;
  readonly #clock: Clock;
  readonly #writes: Statements;
  readonly #reads: Statements;
  readonly #readHandle: Handle;
  readonly #dataVersion: StatementSync;
  /** Settles when the last transaction that was asked for has ended. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Why nothing is done any more: closed, or broken by a failed commit. */
  #halted: MillraceError | undefined;
  #closing: Promise<void> | undefined;

  constructor(writer: DatabaseSync, reading: DatabaseSync, clock: Clock) {
    this.#writer = writer;
    this.#reading = reading;
    this.#clock = clock;
    this.#writes = new Statements(writer);
    this.#reads = new Statements(reading);
    this.#readHandle = openHandle((sql, parameters) => this.#read(sql, parameters));
    this.#dataVersion = reading.prepare("pragma data_version");
    for (const db of [writer, reading]) {
      db.function("millrace_now_ms", { directOnly: true }, () => Math.floor(clock.now()));
    }
  }

  get reader(): Kysely<unknown> {
    return this.#readHandle.db;
  }

  async read<R = Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<R[]> {
    return (await this.#read(sql, parameters)).rows as R[];
  }

  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.#inTurn(work, limits.busyTimeoutMs);
  }

  migrate(set: string, migrations: Readonly<Record<string, Migration>>): Promise<void> {
    return this.#inTurn(
      (transaction) => applyMigrations(transaction, set, migrations, this.#clock.now()),
      limits.migrationWaitMs,
    );
  }

  /** The reading connection never commits itself, so every commit is another connection's to it. */
  changeCount(): number {
    this.#refuseWhenHalted();
    try {
      return Number(this.#dataVersion.get()?.data_version);
    } catch (error) {
      throw databaseFailure(error) ?? error;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#halted ??= new MillraceError("MR_DATABASE_UNAVAILABLE", "The database is closed.");
    await this.#turn;
    this.#readHandle.close();
    // The last connection to close writes the WAL into the file, which a reading one could not.
    this.#reading.close();
    this.#writer.close();
  }

  #inTurn<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    waitMs: number,
  ): Promise<Result> {
    if (this.#halted !== undefined) return Promise.reject(this.#halted);
    const result = this.#turn.then(() => this.#transact(work, waitMs));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #transact<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    waitMs: number,
  ): Promise<Result> {
    // Not `#refuseWhenHalted`: what was asked for before `close` is still done.
    if (this.#halted?.code === "MR_RESULT_UNKNOWN") throw unusable(this.#halted);
    await this.#begin(waitMs);
    const transaction = new SqliteTransaction(this.#writer, this.#writes);
    let result: Result;
    try {
      result = await work(transaction);
      if (transaction.failure !== undefined) throw transaction.failure;
    } catch (error) {
      transaction.end();
      this.#rollback();
      throw transaction.failure ?? error;
    }
    transaction.end();
    this.#commit();
    return result;
  }

  async #begin(waitMs: number): Promise<void> {
    try {
      await beginImmediate(this.#writer, this.#clock, waitMs);
    } catch (error) {
      throw databaseFailure(error) ?? error;
    }
  }

  #commit(): void {
    try {
      this.#writer.exec("commit");
    } catch (error) {
      this.#rollback();
      const kind = sqliteFailure(error);
      if (kind === "io" || kind === "damaged") throw this.#breakOff(error);
      throw databaseFailure(error) ?? error;
    }
  }

  /** Some errors have rolled the transaction back already. */
  #rollback(): void {
    if (!this.#writer.isTransaction) return;
    try {
      this.#writer.exec("rollback");
    } catch (error) {
      this.#breakOff(error);
    }
  }

  /**
   * After a failed sync the kernel may have dropped what was to be written, and a second sync would
   * say that all is well. Only opening the file anew tells what is in it.
   */
  #breakOff(cause: unknown): MillraceError {
    this.#halted = new MillraceError(
      "MR_RESULT_UNKNOWN",
      `The disk failed while a transaction ended: ${asError(cause).message}.`,
      { cause, remedy: "The process must end; what was committed shows when it starts again." },
    );
    return this.#halted;
  }

  async #read(sql: string, parameters: readonly unknown[]): Promise<StatementResult> {
    this.#refuseWhenHalted();
    try {
      return await whenFree(this.#clock, () => this.#reads.run(sql, parameters));
    } catch (error) {
      throw databaseFailure(error) ?? error;
    }
  }

  #refuseWhenHalted(): void {
    if (this.#halted !== undefined) throw unusable(this.#halted);
  }
}

/** The result of one commit is unknown; that of what comes after it is not: nothing happened. */
const unusable = (halted: MillraceError): MillraceError =>
  halted.code === "MR_RESULT_UNKNOWN"
    ? new MillraceError("MR_DATABASE_UNAVAILABLE", halted.message, {
        cause: halted,
        ...(halted.remedy !== undefined && { remedy: halted.remedy }),
      })
    : halted;
