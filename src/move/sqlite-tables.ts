import type { Row, SqlValue, Transaction } from "../database/engine.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import {
  type Counter,
  namesOf,
  nextPageSize,
  placeholders,
  quoted,
  type Table,
  type Tables,
} from "./dialect.ts";

/** The row's number, among its columns: no table of an application has one of this name. */
const rowid = "millrace rowid";

export const sqliteTables: Tables = {
  async list(tx) {
    const found = await tx.run<{ name: string; type: string; wr: number }>(
      `select name, type, wr from pragma_table_list
       where schema = 'main' and type <> 'view' and name not like 'sqlite\\_%' escape '\\'
       order by name`,
    );
    const virtual = found.find(({ type }) => type === "virtual");
    if (virtual !== undefined) {
      throw new MillraceError("MR_MOVE_SOURCE", `${virtual.name} is a virtual table of SQLite's.`, {
        remedy: "Its rows are of no use elsewhere: drop it in a migration, and make it anew after.",
      });
    }
    const tables: Table[] = [];
    for (const { name, wr } of found) tables.push(await shapeOf(tx, name, wr === 0));
    return tables;
  },

  async *rows(tx, table) {
    const by = table.hasRowid ? ["_rowid_"] : table.key.map(quoted);
    const order = by.join(", ");
    const columns = table.hasRowid
      ? `_rowid_ as ${quoted(rowid)}, ${namesOf(table)}`
      : namesOf(table);
    const keys = table.hasRowid ? [rowid] : table.key;
    const behind = `(${order}) > (${by.map((_, at) => `$${at + 1}`).join(", ")})`;
    let size = 1;
    for (let after: SqlValue[] | undefined; ; ) {
      const where = after === undefined ? "" : `where ${behind}`;
      const rows: Row[] = await tx.run<Row>(
        `select ${columns} from ${quoted(table.name)} ${where} order by ${order} limit ${size}`,
        after ?? [],
      );
      if (rows.length > 0) yield rows;
      const last = rows.at(-1);
      if (last === undefined) return;
      after = keys.map((key) => last[key] ?? null);
      size = nextPageSize(rows, limits.readBatchBytesMax);
    }
  },

  insert: (table, rows) =>
    `insert into ${quoted(table.name)} (${namesOf(table)}) values ${placeholders(table, rows)}
     returning ${namesOf(table)}`,

  async suspend(tx) {
    await tx.run("pragma defer_foreign_keys = on");
    const triggers = await tx.run<{ name: string; sql: string }>(
      "select name, sql from sqlite_schema where type = 'trigger' order by rowid",
    );
    for (const { name } of triggers) await tx.run(`drop trigger ${quoted(name)}`);
    return async () => {
      for (const { sql } of triggers) await tx.run(sql);
    };
  },

  async counters(tx) {
    const tables = await tx.run<{ name: string; column: string }>(
      `select s.name, (select c.name from pragma_table_info(s.name) as c where c.pk = 1) as "column"
       from sqlite_schema as s where s.type = 'table' and s.sql like '%autoincrement%'`,
    );
    if (tables.length === 0) return [];
    const counters: Counter[] = [];
    for (const { name, column } of tables) {
      const [row] = await tx.run<{ seq: number | bigint }>(
        "select seq from sqlite_sequence where name = $1",
        [name],
      );
      counters.push({ table: name, column, last: row?.seq ?? 0 });
    }
    return counters;
  },

  async count(tx, { table, last }) {
    await tx.run("delete from sqlite_sequence where name = $1", [table]);
    await tx.run("insert into sqlite_sequence (name, seq) values ($1, $2)", [table, last]);
  },
};

/** Columns that are hidden are computed: 2 and 3. */
async function shapeOf(tx: Transaction, name: string, hasRowid: boolean): Promise<Table> {
  const columns = await tx.run<{ name: string; pk: number; hidden: number }>(
    "select name, pk, hidden from pragma_table_xinfo($1) order by cid",
    [name],
  );
  const key = columns.filter(({ pk }) => pk > 0).sort((one, other) => one.pk - other.pk);
  return {
    name,
    hasRowid,
    key: key.map((column) => column.name),
    columns: columns
      .filter(({ hidden }) => hidden === 0)
      .map((column) => ({ name: column.name, kind: "plain" as const })),
  };
}
