import type { NewRows, SqlValue } from "../../database/engine.ts";
import { plainParameter } from "../../database/parameters.ts";
import { limits } from "../../lib/limits.ts";
import { NewRowInsert } from "./row-insert.ts";
import type { DatabaseSync, StatementSync } from "./sqlite.ts";

export interface StatementResult {
  readonly rows: Record<string, SqlValue>[];
  /** Rows that the statement changed; undefined where it returns rows. */
  readonly changes: number | bigint | undefined;
  readonly lastInsertRowid: number | bigint | undefined;
}

interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
  /** When it was last used, in statements prepared since. */
  usedAt: number;
  /** Reads integers as bigint: slower, needed only where one is beyond 2^53. */
  exact: boolean;
}

/**
 * The prepared statements of one connection, kept by their text: preparing costs several times what
 * running does. Values go in and come out as every other engine takes and gives them.
 */
export class Statements {
  readonly #db: DatabaseSync;
  readonly #prepared = new Map<string, Prepared>();
  #preparedCount = 0;
  /** By the table; the framework always fills the same columns of one. */
  readonly #newRowInserts = new Map<string, NewRowInsert>();

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /**
   * Runs a statement with `?` or `$1` style parameters.
   *
   * @throws MR_DATABASE_PARAMETER, and SQLite's own errors
   */
  run(sql: string, parameters: readonly unknown[]): StatementResult {
    const prepared = this.#prepare(sql);
    const values = parameters.map(toSqlite);
    if (prepared.returnsRows) {
      return { rows: readRows(prepared, values), changes: undefined, lastInsertRowid: undefined };
    }
    const { changes, lastInsertRowid } = prepared.statement.run(...values);
    return { rows: [], changes, lastInsertRowid };
  }

  /** Runs a statement for each row of the framework's own values; the rows each run changed. */
  changeEach(sql: string, rows: readonly (readonly SqlValue[])[]): readonly number[] {
    const { statement } = this.#prepare(sql);
    return rows.map((values) => Number(statement.run(...values).changes));
  }

  /** Inserts rows of the framework's own, except those whose key is there; which ones were new. */
  insertNew({ table, columns, rows }: NewRows): readonly boolean[] {
    let insert = this.#newRowInserts.get(table);
    if (insert === undefined) {
      insert = new NewRowInsert(this.#db, { table, columns });
      this.#newRowInserts.set(table, insert);
    }
    return insert.run(rows);
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) {
      known.usedAt = this.#preparedCount;
      return known;
    }
    const statement = this.#db.prepare(sql.replaceAll(/\$(\d+)/g, "?$1"));
    // Whether an integer is too large is found while rows are read. A statement that only reads can
    // then run again; one that also writes must read exactly from the start.
    const exact = /\breturning\b/i.test(sql);
    if (exact) statement.setReadBigInts(true);
    const usedAt = ++this.#preparedCount;
    const prepared = { statement, returnsRows: statement.columns().length > 0, usedAt, exact };
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > limits.preparedStatementsMax) this.#forgetUnused();
    return prepared;
  }

  /** Keeps the half that was used last: to keep them in order would cost with each use. */
  #forgetUnused(): void {
    const byUse = [...this.#prepared].sort(([, one], [, other]) => one.usedAt - other.usedAt);
    for (const [sql] of byUse.slice(0, byUse.length / 2)) this.#prepared.delete(sql);
  }
}

/**
 * Integers are bound as integers: node:sqlite binds every number as a double, which a text column
 * stores as "5.0" and `->>` does not take for an index.
 */
function toSqlite(value: unknown, index: number): SqlValue {
  const plain = plainParameter(value, index);
  if (typeof plain === "boolean") return plain ? 1n : 0n;
  return Number.isSafeInteger(plain) ? BigInt(plain as number) : (plain as SqlValue);
}

function readRows(prepared: Prepared, values: readonly SqlValue[]): Record<string, SqlValue>[] {
  const { statement } = prepared;
  let rows: Record<string, SqlValue>[];
  try {
    rows = statement.all(...values) as Record<string, SqlValue>[];
  } catch (error) {
    if (prepared.exact || (error as { code?: unknown }).code !== "ERR_OUT_OF_RANGE") throw error;
    statement.setReadBigInts(true);
    prepared.exact = true;
    rows = statement.all(...values) as Record<string, SqlValue>[];
  }
  for (const row of rows) {
    // node:sqlite's rows have no prototype; other drivers' have, and application code relies on it.
    Object.setPrototypeOf(row, Object.prototype);
    if (prepared.exact) narrowIntegers(row);
  }
  return rows;
}

/** A number where it is exact, a bigint beyond. */
function narrowIntegers(row: Record<string, SqlValue>): void {
  for (const name in row) {
    const value = row[name];
    if (typeof value !== "bigint") continue;
    const number = Number(value);
    if (Number.isSafeInteger(number)) row[name] = number;
  }
}
