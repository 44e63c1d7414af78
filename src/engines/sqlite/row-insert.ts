import type { NewRows, SqlValue } from "../../database/engine.ts";
import { type DatabaseSync, type StatementSync, sqliteCode } from "./sqlite.ts";

/** Rows of one statement: 16 in one run cost a third less than 16 runs; 32 save no more. */
export const rowsPerRun = 16;

/** Inserts rows given as one flat array, many in one statement where there are many. */
export class RowInsert {
  readonly #columnCount: number;
  readonly #one: StatementSync;
  readonly #many: StatementSync;

  constructor(db: DatabaseSync, target: Target, conflict = "") {
    this.#columnCount = target.columns.length;
    this.#one = db.prepare(`${insertOf(target, 1)} ${conflict}`);
    this.#many = db.prepare(`${insertOf(target, rowsPerRun)} ${conflict}`);
  }

  /** @returns how many were inserted. */
  run(values: readonly SqlValue[]): number {
    const columnCount = this.#columnCount;
    if (values.length === columnCount * rowsPerRun) {
      return Number(this.#many.run(...values).changes);
    }
    let changes = 0;
    for (let at = 0; at < values.length; at += columnCount) {
      changes += Number(this.#one.run(...values.slice(at, at + columnCount)).changes);
    }
    return changes;
  }
}

/** Inserts rows, except those whose key is there already. */
export class NewRowInsert {
  readonly #one: StatementSync;
  readonly #many: StatementSync;

  constructor(db: DatabaseSync, target: Target) {
    this.#one = db.prepare(`${insertOf(target, 1)} on conflict do nothing`);
    this.#many = db.prepare(insertOf(target, rowsPerRun));
  }

  /** @returns for each row whether it was new. */
  run(rows: readonly (readonly SqlValue[])[]): boolean[] {
    const isNew: boolean[] = [];
    for (let first = 0; first < rows.length; first += rowsPerRun) {
      const group = rows.slice(first, first + rowsPerRun);
      const areAllNew = group.length === rowsPerRun && this.#insertAll(group);
      for (const row of group) isNew.push(areAllNew || this.#insertOne(row));
    }
    return isNew;
  }

  /** All or none of them: where one is known already, the statement undoes what it did. */
  #insertAll(rows: readonly (readonly SqlValue[])[]): boolean {
    try {
      this.#many.run(...rows.flat());
      return true;
    } catch (error) {
      if (!isConstraintFailure(error)) throw error;
      return false;
    }
  }

  #insertOne(row: readonly SqlValue[]): boolean {
    return Number(this.#one.run(...row).changes) === 1;
  }
}

/** SQLITE_CONSTRAINT; the extended codes have it in their last byte. */
const isConstraintFailure = (error: unknown): boolean => ((sqliteCode(error) ?? 0) & 0xff) === 19;

/** Where rows go. */
export type Target = Omit<NewRows, "rows">;

function insertOf({ table, columns }: Target, rows: number): string {
  const row = `(${columns.map(() => "?").join(", ")})`;
  const values = new Array(rows).fill(row).join(", ");
  return `insert into ${table} (${columns.join(", ")}) values ${values}`;
}
