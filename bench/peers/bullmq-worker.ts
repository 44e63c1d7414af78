/** One of the two workers of BullMQ. */
import { bullmq, connection, openQueue } from "./bullmq.ts";
import type { Note } from "./http.ts";
import { file, worker as name } from "./packages.ts";
import { followUpOf, hasFollowUp, isReal, SqliteHandlers } from "./sqlite-effects.ts";

const handlers = new SqliteHandlers(file);
const next = openQueue("b");
const worker = new bullmq.Worker(
  name,
  async ({ data }) => {
    const note = data as Note;
    if (!isReal) return handlers.light(note);
    handlers.real(note);
    if (name === "a" && hasFollowUp(note)) await next.add("note", followUpOf(note));
  },
  { connection, concurrency: 64 },
);
await worker.waitUntilReady();
process.send?.("ready");
