/**
 * The application that a drill runs where it is given none: two workers, the second fed by the
 * first. Each records its effects, so that the checker can compare them with what was accepted: an
 * effect is a row with nothing that makes it unique, so that a doubled one shows; its place among
 * those of its key is counted in the same transaction, and so are the key's sums.
 */
import type { Kysely } from "kysely";
import { z } from "zod";
import { defineDatabase } from "../system/database.ts";
import { defineEvent } from "../system/event.ts";
import { type HandlerCache, on } from "../system/handler.ts";
import { query } from "../system/query.ts";
import { defineSystem } from "../system/system.ts";
import { defineWorker } from "../system/worker.ts";
import { tripOver } from "./tripwire.ts";

const data = z.object({ key: z.string(), n: z.number() });
const Counted = defineEvent("thing.counted", { data, key: ({ key }) => key });
const Followed = defineEvent("thing.followed", { data, key: ({ key }) => key });

interface Tables {
  effects: { key: string; n: number; place: number };
  keys: { key: string; effects: number; total: number; last: number };
}

const effects = () =>
  defineDatabase<Tables>({
    migrations: {
      "001-effects": async (db) => {
        await db.schema
          .createTable("effects")
          .addColumn("key", "text", (column) => column.notNull())
          .addColumn("n", "integer", (column) => column.notNull())
          .addColumn("place", "integer", (column) => column.notNull())
          .execute();
        await db.schema
          .createTable("keys")
          .addColumn("key", "text", (column) => column.primaryKey())
          .addColumn("effects", "integer", (column) => column.notNull())
          .addColumn("total", "integer", (column) => column.notNull())
          .addColumn("last", "integer", (column) => column.notNull())
          .execute();
      },
    },
  });

async function record(
  db: Kysely<Tables>,
  cache: HandlerCache,
  { key, n }: { readonly key: string; readonly n: number },
): Promise<void> {
  const counted = await db
    .insertInto("keys")
    .values({ key, effects: 1, total: n, last: n })
    .onConflict((conflict) =>
      conflict.column("key").doUpdateSet((row) => ({
        effects: row("keys.effects", "+", 1),
        total: row("keys.total", "+", n),
        last: n,
      })),
    )
    .returning("effects")
    .executeTakeFirstOrThrow();
  await db.insertInto("effects").values({ key, n, place: counted.effects }).execute();
  cache.touch(`last:${key}`);
}

const first = defineWorker("first", effects(), {
  handlers: [
    on(Counted, { emits: [Followed] }, async ({ data }, { db, cache, emit }) => {
      await record(db, cache, data);
      emit(Followed, data);
      tripOver();
    }),
  ],
  queries: {
    // Through the cache: what it must never show is an older effect than there is.
    last: query(
      { input: z.object({ key: z.string() }), cacheKey: ({ key }) => `last:${key}` },
      async ({ input, db }) => {
        const row = await db
          .selectFrom("keys")
          .select("last")
          .where("key", "=", input.key)
          .executeTakeFirst();
        return { last: row?.last ?? 0 };
      },
    ),
  },
});

const second = defineWorker("second", effects(), {
  handlers: [on(Followed, async ({ data }, { db, cache }) => record(db, cache, data))],
});

export default defineSystem("drill", { accepts: [Counted], workers: [first, second] });
