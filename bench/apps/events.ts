import { defineDatabase, defineEvent } from "millrace";
import { z } from "zod";

/** What load/request.ts sends: 66 bytes. */
export const Posted = defineEvent("note.posted", {
  data: z.object({ key: z.string(), n: z.number(), at: z.number(), text: z.string() }),
  key: ({ key }) => key,
});

/** The follow-up of every tenth one. */
export const Tenth = defineEvent("note.tenth", {
  data: z.object({ key: z.string(), n: z.number(), at: z.number() }),
  key: ({ key }) => key,
});

export interface Tables {
  /** A row an event. */
  effects: { n: number; key: string; at: number; text: string };
  /** How many events a key has had. */
  counts: { key: string; events: number };
}

export const database = () =>
  defineDatabase<Tables>({
    migrations: {
      "001-effects": async (db) => {
        await db.schema
          .createTable("effects")
          .addColumn("n", "bigint")
          .addColumn("key", "text")
          .addColumn("at", "bigint")
          .addColumn("text", "text")
          .execute();
        await db.schema
          .createTable("counts")
          .addColumn("key", "text", (column) => column.primaryKey())
          .addColumn("events", "integer", (column) => column.notNull())
          .execute();
      },
    },
  });
