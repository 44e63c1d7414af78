import { existsSync } from "node:fs";
import { systemClock } from "../lib/clock.ts";
import type { Config } from "./config.ts";
import type { DataFolder } from "./data-folder.ts";
import { isNats, isPostgres, loadNats, loadPostgres } from "./engines.ts";

/** Whether there is a queue at the configured address; opening one that is not there makes it. */
export async function hasQueue({ queue }: Config, data: DataFolder): Promise<boolean> {
  if (isNats(queue)) {
    const { hasStream } = await loadNats(() => import("../engines/nats/inspection.ts"));
    return await hasStream(queue);
  }
  if (isPostgres(queue)) {
    const load = () => import("../engines/postgres/server.ts");
    const { hasQueueAt } = await loadPostgres(load, "MILLRACE_QUEUE");
    return await hasQueueAt(queue, systemClock);
  }
  const { queueFileOf } = await import("../engines/sqlite/queue-schema.ts");
  return queue === "sqlite:" && existsSync(queueFileOf(data.queue));
}
