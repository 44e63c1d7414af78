import type { DatabaseEngine, Row as StoredRow } from "../database/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import { type Handled, handledEvents } from "./observed.ts";
import { type Rename, type Table, textOf } from "./table.ts";

/** What a worker's database holds once everything is handled. */
export interface Effects {
  readonly handled: readonly Handled[];
  readonly dead: readonly DeadLetter[];
  /** Events that wait behind a dead letter which holds their key, or for their time. */
  readonly waiting: readonly EventRecord[];
  readonly tables: readonly Table[];
}

interface DeadLetter {
  readonly event: EventRecord;
  /** Its id, or if it is a follow-up, what that is called in every trial. */
  readonly called: string;
  /** For people; engines tell the same mistake in different words. */
  readonly error: string;
}

export async function effectsIn(
  worker: string,
  database: DatabaseEngine,
  rename: Rename,
): Promise<Effects> {
  const dead = await database.read<{ event: string; error: string }>(
    "select event, error from millrace_dead_letters order by partition, position",
  );
  const waiting = await database.read<{ event: string }>(
    `select event from millrace_parked
     union all select event from millrace_timers where cancelled_at is null`,
  );
  const tables: Table[] = [];
  for (const name of await tableNames(database)) {
    const rows = await database.read(`select * from ${quoted(name)}`);
    const handedOut = await handedOutColumns(database, name);
    tables.push(asTable(`${worker}.${name}`, rows, handedOut, rename));
  }
  return {
    handled: await database.read<Handled>(handledEvents),
    dead: dead.map((letter) => {
      const event = JSON.parse(letter.event) as EventRecord;
      return { event, called: rename(event.id), error: messageOf(letter.error) };
    }),
    waiting: waiting.map(({ event }) => JSON.parse(event) as EventRecord),
    tables,
  };
}

function asTable(
  name: string,
  stored: readonly StoredRow[],
  handedOut: readonly string[],
  rename: Rename,
): Table {
  const rows = stored.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([column, value]) => [column, textOf(value, rename)]),
    ),
  );
  return { name, rows, handedOut };
}

const messageOf = (error: string): string =>
  String((JSON.parse(error) as { readonly message?: unknown }).message ?? error);

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The application's tables: all but the framework's own. */
async function tableNames(database: DatabaseEngine): Promise<string[]> {
  const sql = {
    sqlite: "select name from sqlite_schema where type = 'table' and name not like 'sqlite%'",
    postgres: `select table_name as name from information_schema.tables
       where table_schema = current_schema() and table_type = 'BASE TABLE'`,
  }[database.dialect.name];
  const rows = await database.read<{ name: string }>(sql);
  return rows.map(({ name }) => name).filter((name) => !name.startsWith("millrace_"));
}

/**
 * Columns that the database numbers by itself. A transaction that is rolled back uses numbers up on
 * one engine and not on the other, and who comes first has the smaller one.
 */
async function handedOutColumns(database: DatabaseEngine, table: string): Promise<string[]> {
  const sql = {
    sqlite: `select c.name from pragma_table_info($1) c join sqlite_schema s on s.name = $1
       where c.pk = 1 and s.sql like '%autoincrement%'`,
    postgres: `select column_name as name from information_schema.columns
       where table_schema = current_schema() and table_name = $1
         and (is_identity = 'YES' or column_default like 'nextval(%')`,
  }[database.dialect.name];
  const rows = await database.read<{ name: string }>(sql, [table]);
  return rows.map(({ name }) => name);
}
