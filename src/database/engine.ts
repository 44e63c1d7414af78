import type { Kysely } from "kysely";
import type { Migration } from "../system/database.ts";

/**
 * What SQLite can bind and what PostgreSQL understands alike. Everything else is converted or
 * refused.
 */
export type SqlValue = string | number | bigint | null | Uint8Array;
export type Row = Readonly<Record<string, SqlValue>>;

/** The few places where the framework's own SQL differs between databases. */
export interface Dialect {
  readonly name: "sqlite" | "postgres";
  /**
   * A table expression over a JSON array of arrays given as parameter `$n`; its rows are called
   * `value`, and `value ->> 0` is a row's first column. One parameter carries a whole batch.
   */
  readonly each: (parameter: string) => string;
  /** Milliseconds since 1970 by the database's clock, an integer expression. */
  readonly nowMs: string;
}

/**
 * The port of a worker's database. Everything a worker does for an event commits in one of its
 * transactions. `millrace/conformance` holds the suite that every engine passes.
 */
export interface DatabaseEngine {
  readonly dialect: Dialect;

  /**
   * Runs `work` in one transaction that excludes other writers of the rows it touches (SQLite: all
   * other writers), commits when it resolves and rolls back when it rejects. Transactions of one
   * engine run one after another. When it resolves, the commit is as durable as the engine can.
   *
   * @throws TransactionBroken where a statement failed, in a database whose transactions end with
   *   that, and `work` went on all the same: nothing happened
   * @throws MR_DATABASE_CONFLICT where other transactions stood against it: nothing happened, and
   *   the same work may do better at once
   * @throws MR_DATABASE_UNAVAILABLE where the database is locked, gone or full: nothing happened
   * @throws MR_RESULT_UNKNOWN where the commit itself failed: read before doing anything else
   */
  transaction<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    options?: TransactionOptions,
  ): Promise<Result>;

  /**
   * A transaction beside the one that runs, for what must not wait for a handler, nor for who is
   * alone. Absent where the database has one writer at a time.
   */
  beside?<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>;

  /**
   * Others commit while its serializable transactions go on seeing what they saw first: what these
   * read goes into no cache, and what caches hold would be a second truth for them. Absent where
   * nobody else commits meanwhile.
   */
  readonly hasSnapshots?: boolean;

  /**
   * Kysely on connections that cannot write: what queries get. Sees every commit that came before.
   */
  readonly reader: Kysely<unknown>;
  /** The framework's own reads, outside any transaction. `$1` style parameters. */
  read<R = Row>(sql: string, parameters?: readonly SqlValue[]): Promise<R[]>;

  /**
   * Brings the tables up to date under a lock that other instances wait for; each set of migrations
   * (the framework's, the application's) is told apart by `set`. All or nothing.
   *
   * @throws MR_MIGRATION_FAILED naming the migration, its cause, and that nothing was changed
   * @throws MR_DATA_NEWER where the database knows a migration that the code does not
   */
  migrate(set: string, migrations: Readonly<Record<string, Migration>>): Promise<void>;

  /**
   * A number that is another one whenever another connection may have committed; cheap. Absent
   * where the database cannot tell: then callers must ask the tables each time.
   */
  changeCount?(): number;

  /** Lets what runs finish, then lets go of everything. Idempotent. */
  close(): Promise<void>;
}

export interface TransactionOptions {
  /**
   * For those that run the application's own code: what it reads is still true at the commit, as if
   * those of other engines came before or behind it as a whole. SQLite has it so anyway.
   */
  readonly isSerializable?: boolean;
  /**
   * No other transaction of the database runs at the same time, whichever engine's it is: for those
   * who change what belongs to others. SQLite has it so anyway.
   */
  readonly isAlone?: boolean;
}

/** Its transaction cannot commit: a statement in it failed, told as the cause. */
export class TransactionBroken extends Error {
  override readonly name = "TransactionBroken";

  constructor(cause: unknown) {
    super("A statement failed, and with it its transaction, but the work went on.", { cause });
  }
}

/** Rows for one table, with one value for each of `columns`, in their order. */
export interface NewRows {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
}

export interface Transaction {
  /** What handlers get: Kysely inside this transaction. Throws MR_HANDLE_CLOSED after it ended. */
  readonly db: Kysely<unknown>;
  /** The framework's own statements, prepared once and kept. `$1` style parameters. */
  run<R = Row>(sql: string, parameters?: readonly SqlValue[]): Promise<R[]>;
  /**
   * Runs a statement of the framework's own once for each row of parameters, and tells how many
   * rows each run changed. Present where a statement has no way to go to a server: there, many runs
   * of a small statement cost a fraction of one that unfolds a whole batch.
   */
  changeEach?(sql: string, rows: readonly (readonly SqlValue[])[]): readonly number[];
  /**
   * Inserts rows into a table of the framework's own, except those whose key is there already, and
   * tells for each whether it was new. Present where `changeEach` is.
   */
  insertNew?(rows: NewRows): readonly boolean[];
  /**
   * Runs `work` in a savepoint: what it wrote is undone where it rejects; the error is passed on.
   * They nest, one within the other. The handle that `work` gets is the attempt's own: it throws
   * MR_HANDLE_CLOSED once the savepoint has ended, so that a handler whose time was up cannot write
   * into what follows.
   */
  savepoint<Result>(work: (db: Kysely<unknown>) => Promise<Result>): Promise<Result>;
  /**
   * A handle for one of several events that are handled beside each other. Present where statements
   * travel to a server, so that one need not wait for another's answer.
   */
  oneRound?(): OneRoundHandle;
}

/**
 * Takes statements until the first of them is answered, and refuses what comes later: that could
 * rest on what was read, and others may have written since. So whoever got through has done nothing
 * that it could not have done alone, before or after each of the others.
 */
export interface OneRoundHandle {
  readonly db: Kysely<unknown>;
  /** Something was read otherwise: from now on no statement is taken. */
  noteRead(): void;
  /** A statement was refused, whatever the work made of that. */
  readonly isRefused: boolean;
  /** A statement is not answered yet. */
  readonly isWaiting: boolean;
  close(): void;
}
