import type { JetStreamManager } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { parseAck } from "./batch.ts";
import { failureOf } from "./failures.ts";
import { placeOf, positionOf, sequenceOf } from "./pack.ts";
import type { OpenedStream, StreamReads } from "./stream.ts";

/** How far a partition was trimmed. */
interface Mark {
  readonly position: number;
  /** How many events of the pack that the cut went through are trimmed, where that pack stays. */
  readonly partial: number;
}

type Marks = Readonly<Record<number, Mark>>;

/**
 * How far each partition was trimmed, kept in the stream itself, in one small message that is
 * written before anything is removed: nobody takes a gap for the beginning, and a partition knows
 * its end when all of it is gone.
 */
export class TrimMarks {
  readonly #nc: NatsConnection;
  readonly #jsm: JetStreamManager;
  readonly #reads: StreamReads;
  readonly #stream: OpenedStream;
  #known: Marks = {};

  constructor(nc: NatsConnection, jsm: JetStreamManager, reads: StreamReads, stream: OpenedStream) {
    this.#nc = nc;
    this.#jsm = jsm;
    this.#reads = reads;
    this.#stream = stream;
  }

  /** As last heard. */
  known(partition: number): number {
    return this.#known[partition]?.position ?? 0;
  }

  /** Trimmed events whose packs are still stored, because others of the pack are. */
  get partial(): number {
    return Object.values(this.#known).reduce((sum, { partial }) => sum + partial, 0);
  }

  /** Asks the leader. */
  async read(): Promise<void> {
    await this.#read();
  }

  /** @returns the sequence of what was read, 0 where there is none. */
  async #read(): Promise<number> {
    const message = await this.#reads.last(this.#stream.subjects.marks);
    if (message === null) return 0;
    this.#known = message.json<Marks>();
    return message.seq;
  }

  /** Moves a mark, and then removes what lies before it. Marks never go back. */
  async trim(partition: number, position: number): Promise<void> {
    for (;;) {
      const sequence = await this.#read();
      if (position > this.known(partition)) {
        const mark = await this.#markAt(partition, position);
        const marks = { ...this.#known, [partition]: mark };
        if (!(await this.#write(marks, sequence))) continue;
        this.#known = marks;
      }
      await this.#purge(partition);
      return;
    }
  }

  /** Cuts within a pack leave the pack where it is. */
  async #markAt(partition: number, position: number): Promise<Mark> {
    const sequence = sequenceOf(position);
    const pack = await this.#reads.next(this.#stream.subjects.partition(partition), sequence);
    if (pack?.seq !== sequence) return { position, partial: 0 };
    const { events } = this.#stream.subjects.packNamed(pack.subject);
    const gone = placeOf(position) + 1;
    return gone >= events
      ? { position: positionOf(sequence, events - 1), partial: 0 }
      : { position, partial: gone };
  }

  /** @returns false where somebody else has moved a mark meanwhile. */
  async #write(marks: Marks, sequence: number): Promise<boolean> {
    const expected = headers();
    expected.set("Nats-Expected-Last-Subject-Sequence", String(sequence));
    try {
      const options = { headers: expected, timeout: 5_000 };
      parseAck(await this.#nc.request(this.#stream.subjects.marks, JSON.stringify(marks), options));
      return true;
    } catch (error) {
      if (failureOf(error) === "known") return false;
      throw error;
    }
  }

  async #purge(partition: number): Promise<void> {
    const mark = this.#known[partition];
    if (mark === undefined) return;
    const sequence = sequenceOf(mark.position);
    await this.#jsm.streams.purge(this.#stream.name, {
      filter: this.#stream.subjects.partition(partition),
      // Up to, but not including, this sequence.
      seq: mark.partial > 0 ? sequence : sequence + 1,
    });
  }
}
