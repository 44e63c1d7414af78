import { sql } from "kysely";
import type { Row } from "../database/engine.ts";
import { limits } from "../lib/limits.ts";
import {
  type Column,
  type Counter,
  namesOf,
  nextPageSize,
  placeholders,
  quoted,
  type Table,
  type Tables,
} from "./dialect.ts";
import type { Kind } from "./values.ts";

const kinds: Readonly<Record<string, Kind>> = {
  json: "json",
  jsonb: "json",
  numeric: "decimal",
  timestamptz: "instant",
  timestamp: "instant",
};

/** Those of the connection's own schema. */
const here = "(select oid from pg_namespace where nspname = current_schema())";

export const postgresTables: Tables = {
  async list(tx) {
    const columns = await tx.run<ColumnRow>(columnsOf);
    const tables = Map.groupBy(columns, ({ table }) => table);
    return [...tables].map(
      ([name, rows]): Table => ({
        name,
        hasRowid: false,
        key: rows.filter(({ key }) => key === 1).map(({ column }) => column),
        columns: rows.filter(({ computed }) => computed === 0).map(toColumn),
      }),
    );
  },

  /** A cursor of the server's needs no key, and reads each row once. */
  async *rows(tx, table) {
    const columns = table.columns.map(({ name, kind }) =>
      // What a number would round comes as text.
      kind === "decimal" ? `${quoted(name)}::text as ${quoted(name)}` : quoted(name),
    );
    const cursor = quoted(`millrace ${table.name}`);
    await tx.run(
      `declare ${cursor} no scroll cursor for select ${columns.join(", ")} from ${quoted(table.name)}`,
    );
    for (let size = 1; ; ) {
      const rows: Row[] = await tx.run<Row>(`fetch forward ${size} from ${cursor}`);
      if (rows.length === 0) break;
      yield rows;
      size = nextPageSize(rows, limits.readBatchBytesMax);
    }
    await tx.run(`close ${cursor}`);
  },

  insert: (table, rows) => {
    const returned = table.columns.map(({ name, kind }) =>
      kind === "decimal" ? `${quoted(name)}::text as ${quoted(name)}` : quoted(name),
    );
    return `insert into ${quoted(table.name)} (${namesOf(table)}) overriding system value
      values ${placeholders(table, rows)} returning ${returned.join(", ")}`;
  },

  async suspend(tx) {
    const keys = await tx.run<{ table: string; name: string; definition: string }>(
      `select conrelid::regclass::text as table, conname as name,
         pg_get_constraintdef(oid) as definition
       from pg_constraint where contype = 'f' and conparentid = 0 and connamespace = ${here}`,
    );
    const triggers = await tx.run<{ table: string; name: string }>(
      `select tgrelid::regclass::text as table, tgname as name from pg_trigger
       join pg_class on pg_class.oid = tgrelid
       where not tgisinternal and tgenabled = 'O' and relnamespace = ${here}`,
    );
    for (const { table, name } of keys) {
      await tx.run(`alter table ${table} drop constraint ${quoted(name)}`);
    }
    for (const { table, name } of triggers) {
      await tx.run(`alter table ${table} disable trigger ${quoted(name)}`);
    }
    return async () => {
      for (const { table, name } of triggers) {
        await tx.run(`alter table ${table} enable trigger ${quoted(name)}`);
      }
      for (const { table, name, definition } of keys) {
        // It reads whole tables, which may take longer than statements of ours are given.
        const add = `alter table ${table} add constraint ${quoted(name)} ${definition}`;
        await sql.raw(add).execute(tx.db);
      }
    };
  },

  async counters(tx) {
    const rows = await tx.run<Counter>(
      `select relname as table, attname as column,
         coalesce(pg_sequence_last_value(pg_get_serial_sequence(quote_ident(relname), attname)::regclass), 0)
           as last
       from pg_class join pg_attribute on attrelid = pg_class.oid
       where relnamespace = ${here} and relkind in ('r', 'p') and not relispartition and attnum > 0
         and not attisdropped and pg_get_serial_sequence(quote_ident(relname), attname) is not null`,
    );
    return rows;
  },

  async count(tx, { table, column, last }) {
    await tx.run("select setval(pg_get_serial_sequence($1, $2)::regclass, $3::bigint)", [
      quoted(table),
      column,
      last,
    ]);
  },
};

interface ColumnRow {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly type_schema: string;
  readonly computed: number;
  readonly key: number;
}

const columnsOf = `select relname as table, attname as column, typname as type,
    type_space.nspname as type_schema, (attgenerated <> '')::integer as computed,
    exists (select 1 from pg_index where indrelid = pg_class.oid and indisprimary
      and attnum = any (indkey))::integer as key
  from pg_class join pg_attribute on attrelid = pg_class.oid
    join pg_type on pg_type.oid = atttypid
    join pg_namespace as type_space on type_space.oid = typnamespace
  where relnamespace = ${here} and relkind in ('r', 'p') and not relispartition and attnum > 0
    and not attisdropped order by relname, attnum`;

/** Without its length: a cast would cut a text off in silence, where storing it is refused. */
const toColumn = ({ column, type, type_schema }: ColumnRow): Column => ({
  name: column,
  kind: kinds[type] ?? "plain",
  cast: `${quoted(type_schema)}.${quoted(type)}`,
});
