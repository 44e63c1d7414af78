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
  await db
    .insertInto("effects")
    .values({ row: null, ...data })
    .execute();
  await db
    .insertInto("counts")
    .values({ key, events: 1 })
    .onConflict((conflict) =>
      conflict.column("key").doUpdateSet(({ eb }) => ({ events: eb("counts.events", "+", 1) })),
    )
    .execute();
  cache.touch(`count:${key}`);
}

const queries = {
  ready: query({ input: z.object({}) }, async (_: { db: Kysely<Tables> }) => "yes"),
  count: query(
    { input: z.object({ key: z.string() }), cacheKey: ({ key }) => `count:${key}` },
    async ({ input, db }: { input: { key: string }; db: Kysely<Tables> }) => {
      const counts = db.selectFrom("counts").selectAll().where("key", "=", input.key);
      return (await counts.executeTakeFirst()) ?? { key: input.key, events: 0 };
    },
  ),
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
        .values({ row: null, ...data, text: "tenth" })
        .execute();
    }),
  ],
  queries,
});

export default defineSystem("real", { accepts: [Posted], workers: [a, b] });
