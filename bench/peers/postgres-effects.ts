import pg from "pg";
import type { Note } from "./http.ts";
import { database, worker } from "./packages.ts";

/** Handlers of peers that live in PostgreSQL write there, each worker into a table of its own. */
export const pool = new pg.Pool({ connectionString: database, max: 20 });

const table = `effects_${worker}`;

export const createEffects = (): Promise<unknown> =>
  pool.query(`create table ${table}
    (row bigserial primary key, n bigint unique, key text, at bigint, text text)`);

const columns = "n, key, at, text";

/** Several rows in one statement: where a peer hands over several jobs at once. */
export async function insertAll(notes: readonly Note[]): Promise<void> {
  const values = notes.flatMap(({ n, key, at, text }) => [n, key, at, text]);
  const rows = notes.map((_, row) => `(${[1, 2, 3, 4].map((at) => `$${row * 4 + at}`).join()})`);
  const text = `insert into ${table} (${columns}) values ${rows.join()} on conflict do nothing`;
  await pool.query({ name: `insert-${notes.length}`, text, values });
}
