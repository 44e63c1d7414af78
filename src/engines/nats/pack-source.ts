import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from "@nats-io/jetstream";
import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import type { Doorbell } from "../../queue/doorbell.ts";
import type { OpenedStream } from "./stream.ts";

/** A message as it was delivered. */
export interface DeliveredPack {
  readonly sequence: number;
  readonly partition: number;
  readonly events: number;
  readonly acceptedAt: number;
  readonly data: Buffer;
}

interface Parts {
  readonly jsm: JetStreamManager;
  readonly js: JetStreamClient;
  readonly stream: OpenedStream;
  readonly clock: Clock;
  /** Rung when something came. */
  readonly doorbell: Doorbell;
}

/** Messages asked for at a time; each may be as large as the server lets it be. */
const packsPerFetch = 64;

/**
 * Brings the packs of some partitions, in the order of the stream. The server's consumer behind it
 * keeps nothing that matters: it is made from the last sequence that came, and whenever anything is
 * odd (a gap in its own numbering, silence, an election) it is dropped and made anew from there.
 */
export class PackSource {
  readonly #parts: Parts;
  readonly #filters: string[];
  /** Up to here, over all subjects, everything asked for has come. */
  #reached: number;
  readonly #packs: DeliveredPack[] = [];
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;
  #failure: unknown;
  /** Since when nothing comes; infinite where all is well. */
  #failedMs = Number.POSITIVE_INFINITY;
  readonly #stop = new AbortController();
  #stopFetch: () => void = () => {};
  readonly #feeding: Promise<void>;

  constructor(parts: Parts, partitions: readonly number[], reached: number) {
    this.#parts = parts;
    const { subjects, partitions: all } = parts.stream;
    this.#filters =
      partitions.length === all
        ? [subjects.packs]
        : partitions.map((partition) => subjects.partition(partition));
    this.#reached = Math.max(0, reached);
    this.#feeding = this.#feed();
  }

  get packCount(): number {
    return this.#packs.length;
  }

  /**
   * Why nothing comes, where that has been so for a while: a consumer that was just made, or lost
   * its server, is often not heard of for some milliseconds.
   */
  get failure(): unknown {
    const lastedMs = this.#parts.clock.monotonic() - this.#failedMs;
    return lastedMs < limits.natsRequestMs ? undefined : this.#failure;
  }

  /** The oldest ones, for good. */
  take(count: number): DeliveredPack[] {
    const packs = this.#packs.splice(0, count);
    this.#bytes -= packs.reduce((sum, { data }) => sum + data.byteLength, 0);
    this.#room?.resolve();
    this.#room = undefined;
    return packs;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#stopFetch();
    this.#room?.resolve();
    await this.#feeding;
  }

  async #feed(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#follow();
      } catch (error) {
        this.#failure = error;
        this.#failedMs = Math.min(this.#failedMs, this.#parts.clock.monotonic());
        await this.#parts.clock.sleep(limits.natsReadRetryMs, this.#stop.signal);
      }
    }
  }

  /** One life of a consumer. */
  async #follow(): Promise<void> {
    const { jsm, js, stream } = this.#parts;
    const info = await jsm.consumers.add(stream.name, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: this.#reached + 1,
      filter_subjects: this.#filters,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: limits.natsConsumerIdleMs * 1_000_000,
    });
    const consumer = js.consumers.getConsumerFromInfo(info);
    try {
      let delivered = 0;
      while (!this.#stop.signal.aborted) {
        delivered = await this.#fetch(consumer, delivered);
        if (this.#bytes < limits.readBatchBytesMax) continue;
        this.#room = Promise.withResolvers();
        await this.#room.promise;
      }
    } finally {
      // Best effort: one that is forgotten goes by itself when it has been idle.
      consumer.delete().catch(() => {});
    }
  }

  async #fetch(consumer: Consumer, deliveredBefore: number): Promise<number> {
    let delivered = deliveredBefore;
    const messages = await consumer.fetch({
      max_messages: packsPerFetch,
      expires: limits.natsFetchMs,
    });
    this.#stopFetch = () => messages.stop();
    if (this.#stop.signal.aborted) messages.stop();
    for await (const message of messages) {
      // The consumer numbers what it sends: a number that is missing is a message that is.
      if (message.info.deliverySequence !== delivered + 1) throw new Error("a delivery is missing");
      delivered++;
      this.#keep(message);
    }
    this.#failedMs = Number.POSITIVE_INFINITY;
    return delivered;
  }

  #keep(message: JsMsg): void {
    const { partition, events } = this.#parts.stream.subjects.packNamed(message.subject);
    const { buffer, byteOffset, byteLength } = message.data;
    this.#packs.push({
      sequence: message.seq,
      partition,
      events,
      acceptedAt: Date.parse(message.timestamp),
      data: Buffer.from(buffer, byteOffset, byteLength),
    });
    this.#bytes += byteLength;
    this.#failedMs = Number.POSITIVE_INFINITY;
    this.#reached = message.seq;
    this.#parts.doorbell.ring();
  }
}
