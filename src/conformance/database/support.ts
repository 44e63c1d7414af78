import { type Kysely, sql } from "kysely";
import type { DatabaseEngine, Transaction } from "../../database/engine.ts";

/** Gives the engine the table that the scenarios write to. */
export async function withItems(engine: DatabaseEngine): Promise<DatabaseEngine> {
  await engine.transaction(async (tx) => {
    await tx.run("create table items (id text primary key, n integer not null)");
  });
  return engine;
}

export async function put(tx: Transaction, id: string, n = 1): Promise<void> {
  await tx.run("insert into items (id, n) values ($1, $2)", [id, n]);
}

/** As a handler would write, through the handle that it gets. */
export async function putBy(db: Kysely<unknown>, id: string, n = 1): Promise<void> {
  await sql`insert into items (id, n) values (${id}, ${n})`.execute(db);
}

/** The names of the items that everybody can see, sorted. */
export async function items(engine: DatabaseEngine): Promise<string[]> {
  const rows = await engine.read<{ id: string }>("select id from items order by id");
  return rows.map(({ id }) => id);
}

/** A promise and the means to fulfil it: to hold a transaction open. */
export function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
