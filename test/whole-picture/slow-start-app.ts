/** A worker that needs a while to begin, as with a long migration. */
import { setTimeout as sleep } from "node:timers/promises";
import { defineDatabase, defineEvent, defineSystem, defineWorker, on } from "millrace";
import { z } from "zod";

const Task = defineEvent("task.given", {
  data: z.object({ key: z.string() }),
  key: ({ key }) => key,
});

const database = defineDatabase({
  migrations: { "001-slow": async () => void (await sleep(3_000)) },
});

const slow = defineWorker("slow", database, { handlers: [on(Task, () => {})] });

export default defineSystem("slow-start", { accepts: [Task], workers: [slow] });
