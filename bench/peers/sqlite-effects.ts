import { DatabaseSync } from "node:sqlite";
import type { Note } from "./http.ts";

/**
 * What the handlers of peers do in a SQLite file of their worker, synced at each commit as ours
 * are. Plain prepared statements, which cost less than the query builder that our handlers go
 * through. Since these peers may deliver twice, an event's row is unique.
 */
export class SqliteHandlers {
  readonly #db: DatabaseSync;
  readonly #insert;
  readonly #upsert;
  readonly #member;
  readonly #known = new Map<string, unknown>();

  constructor(file: string) {
    const db = new DatabaseSync(file);
    this.#db = db;
    db.exec(`pragma journal_mode = wal; pragma synchronous = full;
      create table effects
        (n integer, key text, at integer, text text, unique (n, text));
      create table counts (key text primary key, events integer not null)`);
    this.#insert = db.prepare("insert or ignore into effects values (?, ?, ?, ?)");
    this.#upsert = db.prepare(
      `insert into counts values (?, 1)
       on conflict (key) do update set events = counts.events + 1`,
    );
    this.#member = db.prepare("select key from counts where key = ?");
  }

  /** One insert, committed. */
  light({ n, key, at, text }: Note): void {
    this.#insert.run(n, key, at, text);
  }

  /** An insert, an upsert and a cached look-up, in one transaction. */
  real(note: Note): void {
    const { key } = note;
    if (!this.#known.has(key)) this.#known.set(key, this.#member.get(key));
    this.#db.exec("begin immediate");
    this.light(note);
    this.#upsert.run(key);
    this.#db.exec("commit");
  }
}

/** The follow-up of every tenth event. */
export const followUpOf = (note: Note): Note => ({ ...note, text: "tenth" });
export const hasFollowUp = ({ n, text }: Note): boolean => n % 10 === 0 && text !== "tenth";

export const isReal = process.env.BENCH_HANDLERS === "real";
