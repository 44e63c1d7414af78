/** A worker that has begun only once a file is there, as after a long migration. */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineDatabase, defineEvent, defineSystem, defineWorker, on } from "millrace";
import { z } from "zod";

const Task = defineEvent("task.given", {
  data: z.object({ key: z.string() }),
  key: ({ key }) => key,
});

const database = defineDatabase({
  migrations: {
    "001-slow": async () => {
      while (!existsSync(process.env.SLOW_START_FILE ?? "")) await sleep(20);
    },
  },
});

const slow = defineWorker("slow", database, { handlers: [on(Task, () => {})] });

export default defineSystem("slow-start", { accepts: [Task], workers: [slow] });
