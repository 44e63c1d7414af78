/** Light handlers: each of two workers inserts one row for an event. */
import { defineSystem, defineWorker, on, query } from "millrace";
import { z } from "zod";
import { database, Posted } from "./events.ts";

const light = (name: string) =>
  defineWorker(name, database(), {
    handlers: [
      on(Posted, async ({ data }, { db }) => {
        await db.insertInto("effects").values(data).execute();
      }),
    ],
    queries: {
      ready: query({ input: z.object({}) }, async () => "yes"),
    },
  });

export default defineSystem("light", { accepts: [Posted], workers: [light("a"), light("b")] });
