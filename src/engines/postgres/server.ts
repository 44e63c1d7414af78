import { crc32 } from "node:zlib";
import type { DatabaseEngine } from "../../database/engine.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { asError, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { QueueEngine } from "../../queue/engine.ts";
import { Connection } from "./connection.ts";
import { type Isolation, isolations, openPostgresDatabase } from "./database.ts";
import { databaseFailure } from "./failures.ts";
import { openPostgresQueue, type PostgresQueueOptions } from "./queue.ts";
import { Readers } from "./readers.ts";
import { createSchema, quoted, schemaName } from "./schemas.ts";

/** What the schemas of a system begin with, where its address does not say otherwise. */
const prefixDefault = "millrace";

interface ParsedAddress {
  readonly url: string;
  /** What the schemas there begin with. */
  readonly prefix: string;
  readonly isolation: Isolation;
}

/**
 * The parts of an address: what is not the server's is taken off.
 *
 * @throws MR_CONFIG_INVALID
 */
export function parseAddress(address: string): ParsedAddress {
  const url = new URL(address);
  const prefix = url.searchParams.get("schema") ?? prefixDefault;
  const isolation = isolationOf(url.searchParams.get("isolation") ?? isolations[0]);
  url.searchParams.delete("schema");
  url.searchParams.delete("isolation");
  return { url: url.href, prefix, isolation };
}

function isolationOf(text: string): Isolation {
  const named = isolations.find((level) => level.replaceAll(" ", "-") === text);
  if (named !== undefined) return named;
  const known = isolations.map((level) => level.replaceAll(" ", "-")).join(", ");
  throw new MillraceError("MR_CONFIG_INVALID", `There is no isolation "${text}" in PostgreSQL.`, {
    remedy: `The address of the database may end in ?isolation= with one of ${known}.`,
  });
}

const notKept = (cause: unknown) =>
  new MillraceError(
    "MR_DATABASE_UNAVAILABLE",
    `The table of the workers' schemas cannot be written: ${asError(cause).message}.`,
    { cause, remedy: "The user of the address must own the schemas of the system." },
  );

/** The queue of a system: in a schema that no worker's name can lead to. */
export const openQueueAt = (
  address: string,
  options: Pick<PostgresQueueOptions, "partitions" | "clock">,
): Promise<QueueEngine> => {
  const { url, prefix } = parseAddress(address);
  return openPostgresQueue({ ...options, url, schema: queueSchema(prefix) });
};

export async function hasQueueAt(address: string, clock: Clock): Promise<boolean> {
  const { url, prefix } = parseAddress(address);
  const schema = queueSchema(prefix);
  const readers = new Readers(url, schema, clock, 1);
  try {
    const sql = "select 1 from pg_catalog.pg_namespace where nspname = $1";
    return (await readers.run(sql, [schema])).rows.length > 0;
  } finally {
    await readers.close();
  }
}

const queueSchema = (prefix: string): string => `${prefix}~queue`;

/**
 * The workers' databases on one PostgreSQL server: a schema each. Which one a worker uses stands in
 * a table, since a rebuild makes another. `?schema=shop` in the address is what they all begin
 * with, for several systems in one database of the server.
 */
export class PostgresServer {
  readonly #url: string;
  readonly #prefix: string;
  readonly #isolation: Isolation;
  readonly #clock: Clock;
  readonly #readers = new Map<string, Readers>();

  constructor(address: string, clock: Clock = systemClock) {
    const { url, prefix, isolation } = parseAddress(address);
    this.#url = url;
    this.#prefix = prefix;
    this.#isolation = isolation;
    this.#clock = clock;
  }

  /** An engine of its own for each caller; what they read, they read over the same sessions. */
  async open(schema: string): Promise<DatabaseEngine> {
    const [url, clock, isolation] = [this.#url, this.#clock, this.#isolation];
    const readers = this.#readersOf(schema);
    return await openPostgresDatabase({ url, schema, clock, isolation, readers });
  }

  /** The schema that a worker uses, which need not exist. */
  async inUse(worker: string): Promise<string> {
    const known = await this.#known(worker);
    return known ?? schemaName(this.#prefix, worker);
  }

  /** The workers that have a schema there. */
  async workers(): Promise<string[]> {
    if (!(await this.#hasTable())) return [];
    const { rows } = await this.#readersOf(this.#prefix).run(
      "select worker from millrace_workers order by worker",
      [],
    );
    return rows.map(({ worker }) => String(worker));
  }

  /** Remembers that a worker has its database here. */
  async register(worker: string): Promise<void> {
    if ((await this.#known(worker)) !== undefined) return;
    await this.#write(
      "insert into millrace_workers (worker, schema) values ($1, $2) on conflict do nothing",
      [worker, schemaName(this.#prefix, worker)],
    );
  }

  /**
   * A schema for a new database, which is not in use. Removed are what an attempt that was broken
   * off has left, and former databases but for the one in use, which is the next former one.
   */
  async another(worker: string): Promise<string> {
    const current = await this.inUse(worker);
    const [, number = "1"] = /~(\d+)$/.exec(current) ?? [];
    const first = schemaName(this.#prefix, worker);
    const { rows } = await this.#readersOf(this.#prefix).run(
      `select nspname from pg_catalog.pg_namespace where nspname <> $1
         and (nspname = $2 or left(nspname, length($2) + 1) = $2 || '~')`,
      [current, first],
    );
    for (const { nspname } of rows) await this.remove(String(nspname));
    return `${first}~${Number(number) + 1}`;
  }

  /** Makes a schema the worker's database, at once or not at all, and for good. */
  async use(worker: string, schema: string): Promise<void> {
    await this.#write(
      `insert into millrace_workers (worker, schema) values ($1, $2)
       on conflict (worker) do update set schema = excluded.schema`,
      [worker, schema],
    );
  }

  async remove(schema: string): Promise<void> {
    await this.#write(`drop schema if exists ${quoted(schema)} cascade`, []);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers.values()].map((readers) => readers.close()));
  }

  #readersOf(schema: string): Readers {
    const known = this.#readers.get(schema);
    if (known !== undefined) return known;
    // Which schemas there are is asked now and then: for that one session will do.
    const max = schema === this.#prefix ? 1 : limits.databaseReadersMax;
    const readers = new Readers(this.#url, schema, this.#clock, max);
    this.#readers.set(schema, readers);
    return readers;
  }

  async #known(worker: string): Promise<string | undefined> {
    if (!(await this.#hasTable())) return undefined;
    const { rows } = await this.#readersOf(this.#prefix).run(
      "select schema from millrace_workers where worker = $1",
      [worker],
    );
    return rows[0] === undefined ? undefined : String(rows[0].schema);
  }

  async #hasTable(): Promise<boolean> {
    const { rows } = await this.#readersOf(this.#prefix).run(
      "select to_regclass('millrace_workers') is not null as there",
      [],
    );
    return rows[0]?.there === 1;
  }

  async #write(sql: string, parameters: readonly string[]): Promise<void> {
    const connection = await Connection.open({
      url: this.#url,
      schema: this.#prefix,
      name: "millrace",
      isReadOnly: false,
      clock: this.#clock,
    });
    try {
      await createSchema(connection, this.#prefix);
      await connection.control(
        `begin; select pg_advisory_xact_lock(${0x4d520005}, ${crc32(this.#prefix) | 0});
         create table if not exists millrace_workers (worker text primary key, schema text not null);
         commit`,
      );
      await connection.run(sql, parameters);
    } catch (error) {
      throw databaseFailure(error) ?? notKept(error);
    } finally {
      await connection.end();
    }
  }
}
