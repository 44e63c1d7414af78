import { createHash } from "node:crypto";
import type { Row, SqlValue, Transaction } from "../database/engine.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import type { Table, Tables } from "./dialect.ts";
import { formOf, type Kind, numberOf } from "./values.ts";

/** One table in both databases: the same columns, in the order of the first. */
export interface TablePair {
  readonly from: Table;
  readonly to: Table;
}

/** How many rows, and which: a sum over the rows' hashes, which no order changes. */
export class RowSum {
  count = 0;
  #sum = 0n;

  add(forms: readonly string[]): void {
    this.count += 1;
    const digest = createHash("sha256").update(JSON.stringify(forms)).digest("hex");
    this.#sum = BigInt.asUintN(128, this.#sum + BigInt(`0x${digest.slice(0, 32)}`));
  }

  get text(): string {
    return this.#sum.toString(16).padStart(32, "0");
  }
}

/** The counterpart of a table, with the same columns in the same order. */
export function pairOf(worker: string, from: Table, tables: readonly Table[]): TablePair {
  const to = tables.find(({ name }) => name === from.name);
  const columns = from.columns.map(({ name }) => to?.columns.find((one) => one.name === name));
  const missing = columns.indexOf(undefined);
  if (to === undefined || missing >= 0 || columns.length !== to.columns.length) {
    const what = to === undefined ? "no such table" : "other columns";
    throw new MillraceError(
      "MR_MOVE_SOURCE",
      `${worker}: the table ${from.name} is in its database, and its migrations make ${what}.`,
      { remedy: "What is moved is what migrations make. Add it to them, or drop the table." },
    );
  }
  return { from, to: { ...to, columns: columns.filter((column) => column !== undefined) } };
}

/** Forms of a row as one of the two databases gave it. */
export function formsOf(row: Row, own: Table, other: Table): string[] {
  return own.columns.map(({ name, kind }, at) =>
    formOf(row[name] ?? null, kind, other.columns[at]?.kind ?? "plain"),
  );
}

/**
 * Inserts rows and looks at what the database made of them: a value that it stores as another one
 * is refused, and so is one that it does not take.
 *
 * @throws MR_MOVE_VALUE naming table, column and row
 */
export async function insertRows(
  tx: Transaction,
  tables: Tables,
  pair: TablePair,
  rows: readonly Row[],
): Promise<void> {
  try {
    await tx.savepoint(async () => {
      const values = rows.flatMap((row) => valuesFor(row, pair));
      const stored = await tx.run(tables.insert(pair.to, rows.length), values);
      for (const [at, row] of rows.entries()) compare(row, stored[at] ?? {}, pair);
    });
  } catch (error) {
    const isOurs = isMillraceError(error) && error.code !== "MR_DATABASE_PARAMETER";
    if (isOurs && error.code !== "MR_MOVE_VALUE") throw error;
    if (isOurs && rows.length === 1) throw error;
    const [row] = rows;
    if (rows.length === 1 && row !== undefined) {
      throw refusal(pair, row, await refusedColumn(tx, pair, row), asError(error).message, error);
    }
    for (const one of rows) await insertRows(tx, tables, pair, [one]);
    throw error;
  }
}

function compare(row: Row, stored: Row, pair: TablePair): void {
  const wanted = formsOf(row, pair.from, pair.to);
  const found = formsOf(stored, pair.to, pair.from);
  const at = wanted.findIndex((form, column) => form !== found[column]);
  if (at < 0) return;
  const column = pair.from.columns[at]?.name ?? "";
  const why = `${shown(row[column])} would become ${shown(stored[column])}`;
  throw refusal(pair, row, column, why);
}

function shown(value: SqlValue = null): string {
  const text = value instanceof Uint8Array ? `${value.length} bytes` : JSON.stringify(plain(value));
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

const plain = (value: SqlValue) => (typeof value === "bigint" ? String(value) : value);

function refusal(
  { from }: TablePair,
  row: Row,
  column: string | undefined,
  why: string,
  cause?: unknown,
): MillraceError {
  const names = from.key.length > 0 ? from.key : from.columns.slice(0, 1).map(({ name }) => name);
  const which = names.map((name) => `${name} = ${shown(row[name])}`).join(", ");
  const where = column === undefined ? from.name : `${from.name}.${column}`;
  return new MillraceError("MR_MOVE_VALUE", `${where}, where ${which}: ${why}.`, {
    cause,
    remedy: "Change that value, or the column's type in the migrations, and repeat the move.",
    extra: { table: from.name, ...(column === undefined ? {} : { column }) },
  });
}

/** Tries each value by itself; undefined where it is the row as a whole that is refused. */
async function refusedColumn(
  tx: Transaction,
  pair: TablePair,
  row: Row,
): Promise<string | undefined> {
  const values = valuesFor(row, pair);
  for (const [at, { name, cast }] of pair.to.columns.entries()) {
    if (cast === undefined) continue;
    const isTaken = await tx
      .savepoint(() => tx.run(`select cast($1 as ${cast})`, [values[at] ?? null]))
      .then(
        () => true,
        () => false,
      );
    if (!isTaken) return name;
  }
  return undefined;
}

const valuesFor = (row: Row, { from, to }: TablePair): SqlValue[] =>
  from.columns.map(({ name, kind }, at) =>
    toStore(row[name] ?? null, kind, to.columns[at]?.cast === undefined),
  );

const toStore = (value: SqlValue, kind: Kind, isUntyped: boolean): SqlValue =>
  kind === "decimal" && isUntyped && typeof value === "string" ? numberOf(value) : value;
