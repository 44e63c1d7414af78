/** Fastify in front of BullMQ: each worker has a queue, and an event is a job in both. */
import { openQueue } from "./bullmq.ts";
import { createApp, listen } from "./http.ts";

const queues = [openQueue("a"), openQueue("b")];
const app = createApp(async (note) => {
  await Promise.all(queues.map((queue) => queue.add("note", note)));
  return { accepted: true };
});
await listen(app);
