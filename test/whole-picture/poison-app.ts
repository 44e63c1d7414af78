/** Handlers that fail in every way in which a handler can: as the event's data says. */
import { defineDatabase, defineEvent, defineSystem, defineWorker, on } from "millrace";
import { z } from "zod";

const Task = defineEvent("task.given", {
  data: z.object({ key: z.string(), kind: z.enum(["good", "throw", "hang", "exit", "loop"]) }),
  key: ({ key }) => key,
});

const database = defineDatabase<{ effects: { id: string; key: string } }>({
  migrations: {
    "001-effects": (db) =>
      db.schema.createTable("effects").addColumn("id", "text").addColumn("key", "text").execute(),
  },
});

const eater = defineWorker("eater", database, {
  handlers: [
    on(
      Task,
      { attempts: 2, timeoutMs: 100, backoff: { firstMs: 10, maxMs: 100 } },
      async ({ id, data }, { db }) => {
        await db.insertInto("effects").values({ id, key: data.key }).execute();
        if (data.kind === "throw") throw new Error("poison");
        if (data.kind === "hang") await new Promise<never>(() => {});
        if (data.kind === "exit") process.exit(0);
        while (data.kind === "loop");
      },
    ),
  ],
});

export default defineSystem("poison", { accepts: [Task], workers: [eater] });
