/**
 * An application that is not the same everywhere: on PostgreSQL one of its workers counts twice.
 * Besides, it asks the clock and chance, fails on purpose, and forgets to touch what it caches.
 */
import { defineDatabase, defineEvent, defineSystem, defineWorker, on, query } from "millrace";
import { z } from "zod";

const Added = defineEvent("thing.added", {
  data: z.object({ shelf: z.string(), n: z.number() }),
  key: ({ shelf }) => shelf,
  example: { shelf: "a", n: 1 },
});
const Noticed = defineEvent("thing.noticed", {
  data: z.object({ shelf: z.string(), thing: z.string() }),
  key: ({ shelf }) => shelf,
});
/** Its schema tells nobody what would fit. */
const Odd = defineEvent("thing.odd", {
  data: z.object({ code: z.string().regex(/^x{7}$/) }),
  key: ({ code }) => code,
});

interface Tables {
  things: { id: string; shelf: string; n: number; at: number; luck: number };
  shelves: { shelf: string; total: number };
}

const database = () =>
  defineDatabase<Tables>({
    migrations: {
      "001-things": async (db) => {
        await db.schema
          .createTable("things")
          .addColumn("id", "text", (column) => column.primaryKey())
          .addColumn("shelf", "text")
          .addColumn("n", "integer")
          .addColumn("at", "bigint")
          .addColumn("luck", "double precision")
          .execute();
        await db.schema
          .createTable("shelves")
          .addColumn("shelf", "text", (column) => column.primaryKey())
          .addColumn("total", "integer")
          .execute();
      },
    },
  });

const things = defineWorker("things", database(), {
  handlers: [
    on(Added, { emits: [Noticed], attempts: 2 }, async ({ id, data }, { db, emit }) => {
      if (data.n === 13) throw new Error("unlucky");
      const row = { id, ...data, at: Date.now(), luck: Math.random() };
      await db.insertInto("things").values(row).execute();
      emit(Noticed, { shelf: data.shelf, thing: id });
    }),
    on(Odd, () => {}),
  ],
});

const shelves = defineWorker("shelves", database(), {
  handlers: [
    on(Noticed, async ({ data: { shelf } }, { db }) => {
      const isPostgres = db.getExecutor().adapter.constructor.name === "PostgresAdapter";
      const total = isPostgres && shelf === "b" ? 2 : 1;
      await db
        .insertInto("shelves")
        .values({ shelf, total })
        .onConflict((conflict) =>
          conflict
            .column("shelf")
            .doUpdateSet((row) => ({ total: row("shelves.total", "+", total) })),
        )
        .execute();
    }),
  ],
  queries: {
    total: query(
      { input: z.object({ shelf: z.string() }), cacheKey: ({ shelf }) => `total:${shelf}` },
      async ({ input, db }) =>
        (await db
          .selectFrom("shelves")
          .select("total")
          .where("shelf", "=", input.shelf)
          .executeTakeFirst()) ?? null,
    ),
  },
});

export default defineSystem("odd", { accepts: [Added, Odd], workers: [things, shelves] });
