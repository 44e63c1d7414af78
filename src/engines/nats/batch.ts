import { JetStreamApiError } from "@nats-io/jetstream";
import type { Msg, MsgHdrs, NatsConnection } from "@nats-io/transport-node";
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
 * Headers that are text already. The client asks those of a message for nothing but their bytes,
 * and making its own, a map and a copy for each of an event's claims, took it longer than all else.
 */
const encoded = (fields: string): MsgHdrs =>
  ({ encode: () => Buffer.from(`NATS/1.0\r\n${fields}\r\n`, "latin1") }) as unknown as MsgHdrs;

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
    let fields = `Nats-Batch-Id: ${id}\r\nNats-Batch-Sequence: ${at + 1}\r\n`;
    if (claimSeconds !== undefined) {
      fields += `Nats-Expected-Last-Subject-Sequence: 0\r\nNats-TTL: ${claimSeconds}s\r\n`;
    }
    if (at < messages.length - 1) {
      nc.publish(subject, data, { headers: encoded(fields) });
      continue;
    }
    fields += "Nats-Batch-Commit: 1\r\n";
    answer = nc.request(subject, data, { headers: encoded(fields), timeout: timeoutMs });
  }
  const ack = parseAck((await answer) as Msg);
  // A server that knows no batches stores each message by itself, and says so by leaving these out.
  if (ack.stream !== stream || !(ack.seq > 0) || ack.count !== messages.length) {
    throw unavailable("The server acknowledged something else than what was sent.", ack);
  }
  return ack.seq - messages.length + 1;
}
