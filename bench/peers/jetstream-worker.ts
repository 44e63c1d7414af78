/**
 * One of the two workers on JetStream: a durable pull consumer, an acknowledgement an event, given
 * once its effect is committed in PostgreSQL. As many events at a time as BullMQ gets: their
 * commits share the server's syncs. So they finish in any order, which ours do not.
 */
import { AckPolicy, type JsMsg } from "@nats-io/jetstream";
import type { Note } from "./http.ts";
import { js, manager, stream } from "./jetstream.ts";
import { worker } from "./packages.ts";
import { createEffects, insertAll } from "./postgres-effects.ts";

const atOnceMax = 64;

const replicas = Number(process.env.BENCH_REPLICAS ?? 1);
const streams = await manager.streams.list().next();
if (!streams.some(({ config }) => config.name === stream)) {
  await manager.streams.add({ name: stream, subjects: ["notes.>"], num_replicas: replicas });
}
await createEffects();
await manager.consumers.add(stream, { durable_name: worker, ack_policy: AckPolicy.Explicit });
const consumer = await js.consumers.get(stream, worker);
const messages = await consumer.consume({ max_messages: 500 });
process.send?.("ready");

const running = new Set<Promise<void>>();

async function handle(message: JsMsg): Promise<void> {
  await insertAll([message.json<Note>()]);
  message.ack();
}

for await (const message of messages) {
  const handling = handle(message).finally(() => running.delete(handling));
  running.add(handling);
  if (running.size >= atOnceMax) await Promise.race(running);
}
