import type { Row, SqlValue, Transaction } from "../database/engine.ts";
import type { Kind } from "./values.ts";

export interface Column {
  readonly name: string;
  readonly kind: Kind;
  /** What a parameter for it is cast to; absent where parameters have their own types. */
  readonly cast?: string;
}

/** A table of rows, without the columns that the database computes. */
export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** The columns of its primary key; none where it has none. */
  readonly key: readonly string[];
  /** Whether the order of its rows is a number that SQLite keeps beside the columns. */
  readonly hasRowid: boolean;
}

/** The last number that a column which numbers its rows has given out. */
export interface Counter {
  readonly table: string;
  readonly column: string;
  readonly last: number | bigint;
}

/** What moving tables takes beyond the database's port, where databases differ. */
export interface Tables {
  /** @throws MR_MOVE_SOURCE where something is no plain table */
  list(tx: Transaction): Promise<Table[]>;
  /** All rows of a table, a part at a time, of about so many bytes. */
  rows(tx: Transaction, table: Table): AsyncGenerator<readonly Row[]>;
  /** A statement that inserts so many rows and returns them. */
  insert(table: Table, rows: number): string;
  /** Keeps foreign keys and triggers from acting until the returned function is called. */
  suspend(tx: Transaction): Promise<() => Promise<void>>;
  counters(tx: Transaction): Promise<Counter[]>;
  count(tx: Transaction, counter: Counter): Promise<void>;
}

export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export const namesOf = ({ columns }: Table): string =>
  columns.map(({ name }) => quoted(name)).join(", ");

/** `($1, $2), ($3, $4)`, each with what it is cast to. */
export function placeholders({ columns }: Table, rows: number): string {
  const row = (first: number) =>
    columns.map(({ cast }, at) => {
      const parameter = `$${first + at + 1}`;
      return cast === undefined ? parameter : `cast(${parameter} as ${cast})`;
    });
  return Array.from({ length: rows }, (_, at) => `(${row(at * columns.length).join(", ")})`).join(
    ", ",
  );
}

/** Sizes of pages: few, so that a database prepares few statements. */
const pageSizes = [256, 64, 16, 4, 1] as const;

/** So many rows come next, where the last ones had so many bytes each. */
export function nextPageSize(rows: readonly Row[], bytesMax: number): number {
  const bytes = rows.reduce((sum, row) => sum + bytesOf(row), 0);
  const each = Math.max(1, bytes / Math.max(1, rows.length));
  return pageSizes.find((size) => size * each <= bytesMax) ?? 1;
}

const bytesOf = (row: Row): number =>
  Object.values(row).reduce<number>((sum, value) => sum + sizeOf(value), 0);

const sizeOf = (value: SqlValue): number =>
  typeof value === "string" || value instanceof Uint8Array ? value.length : 8;
