import { JetStreamApiError } from "@nats-io/jetstream";
import { headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { assert } from "../../lib/errors.ts";
import { unavailable } from "./failures.ts";

/** One message of a batch. */
export interface BatchMessage {
  readonly subject: string;
  readonly data: Uint8Array | string;
  /** Refuse the whole batch where the subject has a message already; kept for so many seconds. */
  readonly claimSeconds?: number;
}

interface Ack {
  readonly stream: string;
  readonly seq: number;
  readonly batch?: string;
  readonly count?: number;
  readonly error?: ConstructorParameters<typeof JetStreamApiError>[0];
}

/** @throws JetStreamApiError where the server refused. */
export function parseAck(message: Msg): Ack {
  const ack = message.json<Ack>();
  if (ack.error !== undefined) throw new JetStreamApiError(ack.error);
  return ack;
}

/**
 * Stores messages all together or not at all, in one round trip: only the last one is answered.
 *
 * @returns the sequence of the first one; the others follow without a gap
 */
export async function storeBatch(
  nc: NatsConnection,
  stream: string,
  id: string,
  messages: readonly BatchMessage[],
  timeoutMs: number,
): Promise<number> {
  assert(messages.length > 0, "a batch has a message");
  let answer: Promise<Msg> | undefined;
  for (const [at, { subject, data, claimSeconds }] of messages.entries()) {
    const fields = headers();
    fields.set("Nats-Batch-Id", id);
    fields.set("Nats-Batch-Sequence", String(at + 1));
    if (claimSeconds !== undefined) {
      fields.set("Nats-Expected-Last-Subject-Sequence", "0");
      fields.set("Nats-TTL", `${claimSeconds}s`);
    }
    if (at < messages.length - 1) {
      nc.publish(subject, data, { headers: fields });
      continue;
    }
    fields.set("Nats-Batch-Commit", "1");
    answer = nc.request(subject, data, { headers: fields, timeout: timeoutMs });
  }
  const ack = parseAck((await answer) as Msg);
  // A server that knows no batches stores each message by itself, and says so by leaving these out.
  if (ack.stream !== stream || !(ack.seq > 0) || ack.count !== messages.length) {
    throw unavailable("The server acknowledged something else than what was sent.", ack);
  }
  return ack.seq - messages.length + 1;
}
