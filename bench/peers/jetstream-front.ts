/** Fastify in front of JetStream: a message an event, acknowledged before the answer. */
import { createApp, listen } from "./http.ts";
import { js } from "./jetstream.ts";

await listen(
  createApp(async (note) => {
    const { seq } = await js.publish("notes.posted", JSON.stringify(note));
    return { seq };
  }),
);
