/** One of the two workers on JetStream: a durable consumer, an acknowledgement an event. */
import { AckPolicy } from "@nats-io/jetstream";
import type { Note } from "./http.ts";
import { js, manager, stream } from "./jetstream.ts";
import { file, worker } from "./packages.ts";
import { SqliteHandlers } from "./sqlite-effects.ts";

const replicas = Number(process.env.BENCH_REPLICAS ?? 1);
const streams = await manager.streams.list().next();
if (!streams.some(({ config }) => config.name === stream)) {
  await manager.streams.add({ name: stream, subjects: ["notes.>"], num_replicas: replicas });
}
const handlers = new SqliteHandlers(file);
await manager.consumers.add(stream, { durable_name: worker, ack_policy: AckPolicy.Explicit });
const consumer = await js.consumers.get(stream, worker);
const messages = await consumer.consume({ max_messages: 500 });
process.send?.("ready");
for await (const message of messages) {
  handlers.light(message.json<Note>());
  message.ack();
}
