import { sql } from "kysely";
import type { DatabaseEngine, Dialect } from "../database/engine.ts";
import type { Migration } from "../system/database.ts";

/** The name under which the framework's own migrations are told apart from the application's. */
const migrationSet = "millrace";

/** Makes the bookkeeping's tables where they are not there yet; whoever comes first does it. */
export const prepareBookkeeping = (database: DatabaseEngine): Promise<void> =>
  database.migrate(migrationSet, bookkeepingMigrations(database.dialect));

/**
 * Whether a database has what a migration of the bookkeeping makes: not before an instance of its
 * worker has started for the first time, or for the first time with a version that has it.
 */
export async function hasBookkeeping(
  database: DatabaseEngine,
  migration: "001-bookkeeping" | "002-audit" = "001-bookkeeping",
): Promise<boolean> {
  const looks = {
    sqlite: "select 1 from sqlite_master where type = 'table' and name = 'millrace_migrations'",
    postgres: "select 1 where to_regclass('millrace_migrations') is not null",
  };
  if ((await database.read(looks[database.dialect.name])).length === 0) return false;
  const applied = await database.read(
    "select 1 from millrace_migrations where set_name = $1 and name = $2",
    [migrationSet, migration],
  );
  return applied.length > 0;
}

/**
 * The bookkeeping of a worker, in its own database: it commits together with the effects, which is
 * all that exactly-once takes. A migration that has been released never changes.
 */
function bookkeepingMigrations(dialect: Dialect): Readonly<Record<string, Migration>> {
  const numbered = {
    sqlite: "seq integer primary key autoincrement",
    postgres: "seq bigint generated always as identity primary key",
  }[dialect.name];
  // Who sees a touch cannot tell by the numbers what is still to come: several write at once there.
  const writer = {
    sqlite: "",
    postgres: ", xid bigint not null default (pg_current_xact_id()::text::bigint)",
  }[dialect.name];
  // One b-tree instead of two where SQLite would keep a hidden row number besides.
  const keyed = { sqlite: "without rowid", postgres: "" }[dialect.name];
  return {
    "001-bookkeeping": async (db) => {
      for (const statement of bookkeepingTables(numbered, keyed, writer))
        await sql.raw(statement).execute(db);
    },
    // What people have changed by hand: notes are added, and never changed.
    "002-audit": async (db) => {
      const columns =
        "at bigint not null, who text not null, did text not null, what text not null";
      await sql.raw(`create table millrace_audit (${numbered}, ${columns})`).execute(db);
    },
    // Which shared store the instances' caches use: `generation` is the fence of its users.
    "003-shared-cache": async (db) => {
      await sql
        .raw(
          `create table millrace_cache (one integer primary key, generation bigint not null,
             state text not null, store text not null)`,
        )
        .execute(db);
      await sql.raw("insert into millrace_cache values (1, 0, 'closed', '')").execute(db);
    },
    // Whose an instance's name is, where several hosts could use it.
    "004-instance-runs": async (db) => {
      const column = "run text not null default ''";
      await sql.raw(`alter table millrace_instances add column ${column}`).execute(db);
    },
  };
}

function bookkeepingTables(numbered: string, keyed: string, writer: string): readonly string[] {
  return [
    // The identity of the queue that the positions belong to.
    `create table millrace_queue (one integer primary key, identity text not null)`,
    // How far each partition is applied, who works on it, and the fence of every commit.
    `create table millrace_positions (
       partition integer primary key, position bigint not null,
       owner text, epoch bigint not null, lease_until bigint not null,
       paused integer not null default 0)`,
    // What an instance waits for, where something that it needs is broken.
    `create table millrace_instances (
       instance text primary key, seen_until bigint not null, waiting_for text)`,
    // Ids of events that this worker has taken on: a redelivered one changes nothing.
    `create table millrace_inbox (
       id text not null, source text not null, handled_at bigint not null,
       primary key (id, source)) ${keyed}`,
    // Events whose key waits. A line's head has the time of its next attempt, its followers none.
    `create table millrace_parked (
       partition integer not null, position bigint not null, key text not null,
       id text not null, accepted_at bigint not null, event text not null,
       attempts integer not null, next_at bigint, error text, history text not null,
       primary key (partition, position)) ${keyed}`,
    `create index millrace_parked_line on millrace_parked (key, position)`,
    `create index millrace_parked_due on millrace_parked (next_at) where next_at is not null`,
    // What an instance begins where its predecessor died, noted beforehand: an attempt that ends
    // the process counts. 0 stands for events that were begun together.
    `create table millrace_attempts (
       partition integer not null, position bigint not null, attempt integer not null,
       primary key (partition, position)) ${keyed}`,
    // Events whose time of delivery is still to come, and those that were cancelled before it.
    `create table millrace_timers (
       partition integer not null, position bigint not null, key text not null,
       id text not null, source text not null, due_at bigint not null,
       accepted_at bigint not null, event text not null, cancelled_at bigint,
       primary key (partition, position)) ${keyed}`,
    `create index millrace_timers_due on millrace_timers (due_at) where cancelled_at is null`,
    `create index millrace_timers_id on millrace_timers (id)`,
    // The last tick of each schedule that is settled; without a next one it is not in force.
    `create table millrace_schedules (
       name text primary key, cron text not null, time_zone text not null,
       last_tick bigint not null, next_tick bigint)`,
    // Events given up on, with what it takes to understand and repair them. While one of a key is
    // held, the key's later events wait.
    `create table millrace_dead_letters (
       partition integer not null, position bigint not null, key text not null, type text not null,
       id text not null, source text not null, accepted_at bigint not null, event text not null,
       attempts integer not null, error text not null, history text not null,
       fingerprint text not null, died_at bigint not null, held integer not null,
       primary key (partition, position)) ${keyed}`,
    `create index millrace_dead_letters_held on millrace_dead_letters (key) where held = 1`,
    // Emitted events that the queue has not confirmed, by the partition of their cause.
    `create table millrace_outbox (${numbered}, partition integer not null, event text not null)`,
    // Cache keys that commits have touched, in order, for caches in the memory of other processes.
    `create table millrace_touches (${numbered}, key text not null${writer})`,
    ...(writer === "" ? [] : [`create index millrace_touches_writer on millrace_touches (xid)`]),
  ];
}
