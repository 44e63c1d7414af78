/** Three workers, each of which breaks one promise: what a drill has to see. */
import { defineDatabase, defineEvent, defineSystem, defineWorker, on } from "millrace";
import { z } from "zod";

const Noted = defineEvent("note.written", {
  data: z.object({ author: z.string(), text: z.string() }),
  key: ({ author }) => author,
});

interface Tables {
  notes: { id: string; author: string };
  held: { id: string; author: string };
}

const database = () =>
  defineDatabase<Tables>({
    migrations: {
      "001-notes": async (db) => {
        for (const table of ["notes", "held"]) {
          await db.schema
            .createTable(table)
            .addColumn("id", "text")
            .addColumn("author", "text")
            .execute();
        }
      },
    },
  });

let count = 0;

const loses = defineWorker("loses", database(), {
  handlers: [
    on(Noted, async ({ id, data: { author } }, { db }) => {
      count += 1;
      if (count % 50 !== 0) await db.insertInto("notes").values({ id, author }).execute();
    }),
  ],
});

const doubles = defineWorker("doubles", database(), {
  handlers: [
    on(Noted, async ({ id, data: { author } }, { db }) => {
      count += 1;
      const row = { id, author };
      await db
        .insertInto("notes")
        .values(count % 50 === 0 ? [row, row] : [row])
        .execute();
    }),
  ],
});

/** Holds each first event back until the next one of its author has come. */
const swaps = defineWorker("swaps", database(), {
  handlers: [
    on(Noted, async ({ id, data: { author } }, { db }) => {
      const held = await db
        .deleteFrom("held")
        .where("author", "=", author)
        .returningAll()
        .executeTakeFirst();
      if (held === undefined) await db.insertInto("held").values({ id, author }).execute();
      else await db.insertInto("notes").values([{ id, author }, held]).execute();
    }),
  ],
});

export default defineSystem("broken", { accepts: [Noted], workers: [loses, doubles, swaps] });
