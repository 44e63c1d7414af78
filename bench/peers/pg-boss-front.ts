/** Fastify in front of pg-boss: an event is a job in the queue of each worker. */
import { createApp, listen } from "./http.ts";
import { startBoss } from "./pg-boss.ts";

const boss = await startBoss();
await listen(
  createApp(async (note) => {
    await Promise.all(["a", "b"].map((queue) => boss.send(queue, note)));
    return { accepted: true };
  }),
);
