import { DatabaseSync } from "node:sqlite";

/** Reads, from outside and beside the worker, what it has committed to its database. */
export class SqliteEffects implements Disposable {
  readonly #db: DatabaseSync;
  readonly #last;

  constructor(file: string) {
    this.#db = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
    this.#last = this.#db.prepare("select coalesce(max(rowid), 0) as count from effects");
  }

  /** Rows are numbered without gaps, so the last one's number is their count. */
  count(): number {
    return Number(this.#last.get()?.count);
  }

  /** Of how many different events, follow-ups included, there are effects. */
  different(): number {
    const each = "select count(distinct 2 * n + (text = 'tenth')) as count from effects";
    return Number(this.#db.prepare(each).get()?.count);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
