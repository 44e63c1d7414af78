import { rmSync } from "node:fs";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { SpanRecord, SpanStore } from "../../tracing/span-store.ts";
import { type DatabaseSync, openSqlite, sqliteFailure, whenFree } from "./sqlite.ts";

export interface SpanStoreOptions {
  /** A file of its own (`traces.db`): nothing here may cost the queue a sync or a lock. */
  readonly file: string;
  readonly spansMax?: number;
  readonly clock?: Clock;
}

/** Raised with the tables: spans of another version are thrown away, not migrated. */
const formatVersion = 1;
/** How many traces of an event are told. */
const tracesMax = 100;

const createTables = `
  drop table if exists spans;
  create table spans (
    id integer primary key,
    trace_id text not null,
    event_id text,
    start_us integer not null,
    record text not null
  ) strict;
  create index spans_of_trace on spans (trace_id, start_us);
  create index spans_of_event on spans (event_id, id) where event_id is not null;
  pragma user_version = ${formatVersion};
`;

/**
 * Keeps spans in an SQLite file that every process of the machine writes and reads. Nothing is
 * synced: a power cut may take the file, which is then begun anew. Writes wait for each other
 * without blocking the event loop.
 *
 * @throws MR_DATA_UNUSABLE where the file cannot be opened
 */
export async function openSqliteSpanStore(options: SpanStoreOptions): Promise<SpanStore> {
  const clock = options.clock ?? systemClock;
  const db = await open(options.file, clock);
  return new SqliteSpanStore(db, clock, options.spansMax ?? limits.spansKeptMax);
}

async function open(file: string, clock: Clock): Promise<DatabaseSync> {
  try {
    try {
      return await prepare(file, clock);
    } catch (error) {
      if (sqliteFailure(error) !== "damaged") throw error;
      // Whoever still has the old file open writes spans that nobody reads: they may be lost.
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
      return await prepare(file, clock);
    }
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    throw new MillraceError("MR_DATA_UNUSABLE", `The traces in ${file} cannot be opened.`, {
      cause,
      remedy: "Check the folder's permissions and free space; the file itself may be removed.",
    });
  }
}

async function prepare(file: string, clock: Clock): Promise<DatabaseSync> {
  const db = openSqlite(file, { synchronous: "NORMAL" });
  try {
    db.exec("pragma synchronous = off");
    await whenFree(clock, () =>
      inTransaction(db, () => {
        const found = db.prepare("pragma user_version").get()?.user_version;
        if (found !== formatVersion) db.exec(createTables);
      }),
    );
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

class SqliteSpanStore implements SpanStore {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #spansMax: number;
  readonly #insert;
  readonly #prune;
  readonly #trace;
  readonly #tracesOf;

  constructor(db: DatabaseSync, clock: Clock, spansMax: number) {
    this.#db = db;
    this.#clock = clock;
    this.#spansMax = spansMax;
    this.#insert = db.prepare(
      "insert into spans (trace_id, event_id, start_us, record) values (?, ?, ?, ?)",
    );
    // Ids have no gaps, so the newest one tells which are too old, without counting the rows. At
    // most twice as many go as came: a bound that was lowered is reached in steps that block
    // nobody.
    this.#prune = db.prepare(
      `delete from spans where id <= min(
         (select max(id) from spans) - ?, (select min(id) from spans) + ?)`,
    );
    this.#trace = db.prepare(
      "select record from spans where trace_id = ? order by start_us, id limit ?",
    );
    this.#tracesOf = db.prepare(
      `select trace_id from spans where event_id = ?
       group by trace_id order by max(id) desc limit ${tracesMax}`,
    );
  }

  async write(spans: readonly SpanRecord[]): Promise<void> {
    for (let at = 0; at < spans.length; at += limits.spanWriteRowsMax) {
      const chunk = spans.slice(at, at + limits.spanWriteRowsMax);
      await whenFree(this.#clock, () => inTransaction(this.#db, () => this.#writeChunk(chunk)));
    }
  }

  async trace(traceId: string): Promise<SpanRecord[]> {
    const rows = await this.#read(() => this.#trace.all(traceId, limits.spansPerTraceMax));
    return rows.map(({ record }) => JSON.parse(String(record)) as SpanRecord);
  }

  async tracesOf(eventId: string): Promise<string[]> {
    const rows = await this.#read(() => this.#tracesOf.all(eventId));
    return rows.map(({ trace_id }) => String(trace_id));
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  #writeChunk(spans: readonly SpanRecord[]): void {
    for (const span of spans) {
      const { traceId, eventId, startUs } = span;
      this.#insert.run(traceId, eventId ?? null, startUs, JSON.stringify(span));
    }
    this.#prune.run(this.#spansMax, 2 * spans.length);
  }

  async #read<Row>(read: () => Row): Promise<Row> {
    try {
      return await whenFree(this.#clock, read);
    } catch (cause) {
      throw new MillraceError("MR_DATA_UNUSABLE", "The stored traces cannot be read.", { cause });
    }
  }
}

/** Runs `work` in one transaction, without a pause, so that a connection's writers cannot mix. */
function inTransaction(db: DatabaseSync, work: () => void): void {
  db.exec("begin immediate");
  try {
    work();
    db.exec("commit");
  } catch (error) {
    if (db.isTransaction) db.exec("rollback");
    throw error;
  }
}
