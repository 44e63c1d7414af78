/**
 * Real handlers: an insert, an upsert and a cached look-up for each event; every tenth one emits a
 * follow-up, which worker B handles. Queries, cached and not.
 */

import type { Kysely } from "kysely";
import { type DataOf, defineSystem, defineWorker, type HandlerCache, on, query } from "millrace";
import { z } from "zod";
import { database, Posted, type Tables, Tenth } from "./events.ts";

type Note = DataOf<typeof Posted>;

async function record(data: Note, db: Kysely<Tables>, cache: HandlerCache): Promise<void> {
  const { key } = data;
  await cache.get(`member:${key}`, async () => {
    const found = await db.selectFrom("counts").select("key").where("key", "=", key).execute();
    return found.length;
  });
  await db.insertInto("effects").values(data).execute();
  await db
    .insertInto("counts")
    .values({ key, events: 1 })
    .onConflict((conflict) =>
      conflict.column("key").doUpdateSet(({ eb }) => ({ events: eb("counts.events", "+", 1) })),
    )
    .execute();
  cache.touch(`count:${key}`);
}

type Read = { readonly input: { readonly key: string }; readonly db: Kysely<Tables> };

async function countOf({ input: { key }, db }: Read) {
  const counts = db.selectFrom("counts").selectAll().where("key", "=", key);
  return (await counts.executeTakeFirst()) ?? { key, events: 0 };
}

const input = z.object({ key: z.string() });
/** How often this process has loaded a rare count: concurrent misses must load once. */
let loads = 0;

const queries = {
  ready: query({ input: z.object({}) }, async (_: { db: Kysely<Tables> }) => "yes"),
  /** Answered from the cache. */
  count: query({ input, cacheKey: ({ key }) => `count:${key}` }, countOf),
  /** Answered from the database each time. */
  fresh: query({ input }, countOf),
  rare: query({ input, cacheKey: ({ key }) => `rare:${key}` }, async (read: Read) => {
    loads++;
    return await countOf(read);
  }),
  loads: query({ input: z.object({}) }, async (_: { db: Kysely<Tables> }) => loads),
};

const a = defineWorker("a", database(), {
  handlers: [
    on(Posted, { emits: [Tenth] }, async ({ data }, { db, cache, emit }) => {
      await record(data, db, cache);
      const { key, n, at } = data;
      if (n % 10 === 0) emit(Tenth, { key, n, at });
    }),
  ],
  queries,
});

const b = defineWorker("b", database(), {
  handlers: [
    on(Posted, ({ data }, { db, cache }) => record(data, db, cache)),
    on(Tenth, async ({ data }, { db }) => {
      await db
        .insertInto("effects")
        .values({ ...data, text: "tenth" })
        .execute();
    }),
  ],
  queries,
});

export default defineSystem("real", { accepts: [Posted], workers: [a, b] });
