/** Light handlers that put some events off for an hour, so that their keys are parked. */
import { defineSystem, defineWorker, on, query, RetryAfter } from "millrace";
import { z } from "zod";
import { database, Posted } from "./events.ts";

const hour = 3_600_000;

const parking = (name: string) =>
  defineWorker(name, database(), {
    handlers: [
      on(Posted, async ({ data }, { db }) => {
        if (data.text === "park") throw new RetryAfter(hour);
        await db.insertInto("effects").values(data).execute();
      }),
    ],
    queries: { ready: query({ input: z.object({}) }, async () => "yes") },
  });

export default defineSystem("light", { accepts: [Posted], workers: [parking("a"), parking("b")] });
