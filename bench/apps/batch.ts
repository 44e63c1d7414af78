/** Light handlers in their batch form: one statement inserts the rows of many events. */
import { defineSystem, defineWorker, onBatch, query } from "millrace";
import { z } from "zod";
import { database, Posted } from "./events.ts";

const batch = (name: string) =>
  defineWorker(name, database(), {
    handlers: [
      onBatch(Posted, async (events, { db }) => {
        const rows = events.map(({ data }) => data);
        await db.insertInto("effects").values(rows).execute();
      }),
    ],
    queries: { ready: query({ input: z.object({}) }, async () => "yes") },
  });

export default defineSystem("light", { accepts: [Posted], workers: [batch("a"), batch("b")] });
