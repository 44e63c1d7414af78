import { crc32 } from "node:zlib";
import type { Kysely } from "kysely";
import {
  type DatabaseEngine,
  type Dialect,
  type Row,
  type SqlValue,
  type Transaction,
  TransactionBroken,
  type TransactionOptions,
} from "../../database/engine.ts";
import type { Handle } from "../../database/handle.ts";
import { applyMigrations } from "../../database/migrations.ts";
import { type Clock, settledWithin, systemClock } from "../../lib/clock.ts";
import { asError, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { Migration } from "../../system/database.ts";
import { Connection } from "./connection.ts";
import { breaksConnection, databaseFailure } from "./failures.ts";
import { openHandle } from "./kysely.ts";
import { Readers } from "./readers.ts";
import { createSchema, createTurns } from "./schemas.ts";
import { PostgresTransaction } from "./transaction.ts";

export interface PostgresDatabaseOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** Holds all tables of this database; created where absent. */
  readonly schema: string;
  readonly clock?: Clock;
  /** Of what runs the application's own code; `serializable` where not given. */
  readonly isolation?: Isolation;
  /** Shared with other engines on the same schema; its own where not given. */
  readonly readers?: Readers;
}

/** How far transactions that run at the same time are kept apart, weakest last. */
export const isolations = ["serializable", "repeatable read", "read committed"] as const;
export type Isolation = (typeof isolations)[number];

const dialect: Dialect = {
  name: "postgres",
  each: (parameter) => `jsonb_array_elements(${parameter}::jsonb)`,
  nowMs: "floor(extract(epoch from clock_timestamp()) * 1000)::bigint",
};

/**
 * Opens a worker's database in a schema of a PostgreSQL server. Any number of processes may have it
 * open at once.
 *
 * @throws MR_DATABASE_UNAVAILABLE
 */
export async function openPostgresDatabase(
  options: PostgresDatabaseOptions,
): Promise<DatabaseEngine> {
  const { url, schema, clock = systemClock, isolation = "serializable" } = options;
  const open = (name: string) => Connection.open({ url, schema, name, isReadOnly: false, clock });
  const writer = await open("millrace writer");
  try {
    await createSchema(writer, schema);
    await createTurns(writer, schema);
  } catch (error) {
    writer.destroy();
    throw databaseFailure(error) ?? error;
  }
  const readers = options.readers ?? new Readers(url, schema, clock);
  const ownReaders = options.readers === undefined;
  return new PostgresDatabase({ schema, open, clock, isolation, readers, ownReaders }, writer);
}

interface Parts {
  readonly schema: string;
  readonly open: (name: string) => Promise<Connection>;
  readonly clock: Clock;
  readonly isolation: Isolation;
  readonly readers: Readers;
  readonly ownReaders: boolean;
}

/** Who waits for others to end outlasts a handler that hangs, or a process that stands still. */
const turnMs = limits.handlerTimeoutMs + limits.databaseIdleMs + limits.busyTimeoutMs;

/**
 * How each kind of transaction begins, in one round trip. All but those beside take the lock of an
 * empty table, shared or alone: a lock of a table is the only one that can be had before the
 * transaction's view of the data is taken, so that who has waited sees what it waited for.
 *
 * A table that is read whole counts as read in all of its rows, those to come included, and nobody
 * else could write to it meanwhile. So small tables are read by their indexes, too, which is made
 * the cheaper way; and the price that is put on the other one must not have it compiled.
 */
function beginnings({ schema, isolation }: Pick<Parts, "schema" | "isolation">) {
  const lock = (mode: string) => `set local lock_timeout = ${turnMs};
    lock table millrace_turns in ${mode} mode; set local lock_timeout = ${limits.busyTimeoutMs}`;
  const isTracked = isolation === "serializable";
  const plans = isTracked ? "set local enable_seqscan = off; set local jit = off; " : "";
  return {
    shared: `begin; ${lock("row share")}`,
    serializable: `begin isolation level ${isolation}; ${plans}${lock("row share")}`,
    alone: `begin; ${lock("exclusive")}`,
    beside: "begin",
    migration: `begin; set local lock_timeout = ${limits.migrationWaitMs};
      select pg_advisory_xact_lock(${0x4d520002}, ${crc32(schema) | 0})`,
  } as const;
}

class PostgresDatabase implements DatabaseEngine {
  readonly dialect = dialect;
  readonly hasSnapshots: boolean;
  readonly #parts: Parts;
  readonly #readHandle: Handle;
  readonly #begin: ReturnType<typeof beginnings>;
  readonly #watch: Disposable;
  #writer: Connection | undefined;
  #aside: Promise<Connection> | undefined;
  /** Settle when the last transaction that was asked for has ended. */
  #turn: Promise<unknown> = Promise.resolve();
  #asideTurn: Promise<unknown> = Promise.resolve();
  #isBusy = false;
  #closed: MillraceError | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: Parts, writer: Connection) {
    this.#parts = parts;
    this.#writer = writer;
    this.#readHandle = openHandle((sql, parameters) => this.#read(sql, parameters));
    this.#begin = beginnings(parts);
    this.hasSnapshots = parts.isolation !== "read committed";
    this.#watch = parts.clock.every(limits.databasePingMs, () => this.#ping());
  }

  get reader(): Kysely<unknown> {
    return this.#readHandle.db;
  }

  async read<R = Row>(sql: string, parameters: readonly SqlValue[] = []): Promise<R[]> {
    return (await this.#read(sql, parameters)).rows as R[];
  }

  transaction<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    { isAlone = false, isSerializable = false }: TransactionOptions = {},
  ): Promise<Result> {
    if (isAlone) return this.#inTurn(work, this.#begin.alone);
    return this.#inTurn(work, isSerializable ? this.#begin.serializable : this.#begin.shared);
  }

  beside<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const result = this.#asideTurn.then(async () => {
      const connection = await this.#asideConnection();
      return await this.#transact(connection, work, this.#begin.beside);
    });
    this.#asideTurn = result.catch(() => {});
    return result;
  }

  async migrate(set: string, migrations: Readonly<Record<string, Migration>>): Promise<void> {
    const work = (transaction: Transaction) =>
      applyMigrations(transaction, set, migrations, this.#parts.clock.now());
    await this.#inTurn(work, this.#begin.migration);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = new MillraceError("MR_DATABASE_UNAVAILABLE", "The database is closed.");
    await Promise.all([this.#turn, this.#asideTurn]);
    this.#watch[Symbol.dispose]();
    this.#readHandle.close();
    if (this.#parts.ownReaders) await this.#parts.readers.close();
    await this.#writer?.end();
    await (await this.#aside?.catch(() => undefined))?.end();
  }

  #inTurn<Result>(
    work: (transaction: Transaction) => Promise<Result>,
    begin: string,
  ): Promise<Result> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const result = this.#turn.then(async () => {
      const connection = await this.#writerConnection();
      this.#isBusy = true;
      try {
        return await this.#transact(connection, work, begin);
      } finally {
        this.#isBusy = false;
      }
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  async #writerConnection(): Promise<Connection> {
    if (this.#writer?.isUsable !== true) this.#writer = await this.#parts.open("millrace writer");
    return this.#writer;
  }

  async #asideConnection(): Promise<Connection> {
    const known = await this.#aside?.catch(() => undefined);
    if (known?.isUsable === true) return known;
    this.#aside = this.#parts.open("millrace aside");
    return await this.#aside;
  }

  async #transact<Result>(
    connection: Connection,
    work: (transaction: Transaction) => Promise<Result>,
    begin: string,
  ): Promise<Result> {
    const transaction = new PostgresTransaction(connection, begin, this.#parts.clock);
    let result: Result;
    try {
      result = await work(transaction);
      transaction.end();
      await transaction.check();
    } catch (error) {
      transaction.end();
      await this.#rollback(connection, transaction.isHung);
      throw transaction.failure ?? error;
    }
    await commit(connection);
    return result;
  }

  async #rollback(connection: Connection, isHung: boolean): Promise<void> {
    if (!connection.isUsable) return;
    let isDone = false;
    const done = connection.control("rollback").then(() => {
      isDone = true;
    });
    if (!isHung) await settledWithin(this.#parts.clock, limits.databaseRollbackMs, done);
    if (isDone) return;
    done.catch(() => {});
    // A statement that nobody waits for any more would hold its locks until it ends by itself.
    await this.#parts.readers
      .run("select pg_terminate_backend($1::integer)", [connection.pid])
      .catch(() => {});
    connection.destroy();
  }

  async #read(sql: string, parameters: readonly unknown[]) {
    if (this.#closed !== undefined) throw this.#closed;
    return await this.#parts.readers.run(sql, parameters);
  }

  /**
   * The server ends a session that is idle in its transaction, so that a process that was stopped,
   * or whose machine is gone, holds no locks. A handler that waits for something else is none.
   */
  #ping(): void {
    const connection = this.#writer;
    if (!this.#isBusy || connection === undefined || connection.waiting > 0) return;
    if (connection.quietMs >= limits.databasePingMs) connection.control("select 1").catch(() => {});
  }
}

async function commit(connection: Connection): Promise<void> {
  if (!connection.isUsable) throw lost();
  const { command } = await connection
    .control("commit", limits.databaseStatementMs)
    .catch((error: unknown) => {
      if (breaksConnection(error)) throw unknown(error);
      throw databaseFailure(error) ?? new TransactionBroken(error);
    });
  // What the server makes of a commit where a statement had failed.
  if (command !== "COMMIT") throw new TransactionBroken(new Error(`It ended in ${command}.`));
}

const lost = () =>
  new MillraceError("MR_DATABASE_UNAVAILABLE", "The connection was lost before the commit.");

const unknown = (cause: unknown) =>
  new MillraceError(
    "MR_RESULT_UNKNOWN",
    `The connection was lost while a transaction ended: ${asError(cause).message}.`,
    { cause, remedy: "What was committed shows when the server can be reached again." },
  );
