import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import type { Doorbell } from "../../queue/doorbell.ts";
import type { Batch, QueuedEvent } from "../../queue/engine.ts";
import { damagedFault, lostTailFault, trimmedFault } from "../../queue/faults.ts";
import type { Reading } from "../../queue/waiting-subscription.ts";
import { unavailable } from "./failures.ts";
import type { TrimMarks } from "./marks.ts";
import { positionOf, sequenceOf, unpackEvent } from "./pack.ts";
import type { DeliveredPack, PackSource } from "./pack-source.ts";

interface Parts {
  /** Begins where no partition misses anything, given the ends. */
  readonly openSource: (ends: ReadonlyMap<number, number>) => PackSource;
  readonly marks: TrimMarks;
  readonly readMarks: () => Promise<void>;
  readonly clock: Clock;
  readonly doorbell: Doorbell;
  /** Asked of the stream's leader: partition → end. */
  readonly ends: () => Promise<ReadonlyMap<number, number>>;
  readonly isClosed: () => boolean;
  /** Throws where the stream is another one than it was. */
  readonly checkIdentity: () => Promise<void>;
}

interface Filling {
  readonly events: QueuedEvent[];
  readonly positions: Map<number, number>;
}

/** What of a pack is still to be delivered. */
interface OpenPack {
  readonly pack: DeliveredPack;
  place: number;
  offset: number;
}

/** Reads one subscription's events out of the packs that come. */
export class NatsReading implements Reading {
  readonly #parts: Parts;
  readonly #cursors: Map<number, number>;
  readonly #types: ReadonlySet<string> | undefined;
  /** Checked against the marks, in the order of the stream. */
  #packs: DeliveredPack[] = [];
  #open: OpenPack | undefined;
  /** Partition → the end that was there when the subscription began; reached, it is removed. */
  #target: Map<number, number> | undefined;
  #source: PackSource | undefined;

  constructor(
    parts: Parts,
    cursors: ReadonlyMap<number, number>,
    types: ReadonlySet<string> | undefined,
  ) {
    this.#parts = parts;
    this.#cursors = new Map(cursors);
    this.#types = types;
  }

  mayHaveMore(): boolean {
    return this.#open !== undefined || this.#packs.length > 0 || this.#packsWaiting > 0;
  }

  get #packsWaiting(): number {
    return this.#source?.packCount ?? 0;
  }

  close(): void {
    void this.#source?.close();
  }

  async read(limit: number): Promise<Batch> {
    const batch: Filling = { events: [], positions: new Map() };
    try {
      await this.#fill(batch, limit);
    } catch (error) {
      // What has been collected is handed over; what is wrong is met again by the next look.
      if (batch.positions.size === 0 && !this.#parts.isClosed()) throw error;
    }
    return batch;
  }

  /** Fills the batch with what was there at the beginning; behind that, with what is at hand. */
  async #fill(batch: Filling, limit: number): Promise<void> {
    this.#target ??= await this.#begin();
    while (!this.#parts.isClosed()) {
      this.#checkTrimmed();
      if (this.#open === undefined && this.#packs.length === 0) await this.#takePacks();
      if (this.#collect(batch, limit)) return;
      const isAtTarget = this.#isAtTarget();
      if (isAtTarget && batch.positions.size > 0) return;
      if (this.mayHaveMore()) continue;
      if (isAtTarget) return await this.#checkSource();
      await this.#waitForPacks();
    }
  }

  /** Nothing came: because nothing is there, or because nothing can come. */
  async #checkSource(): Promise<void> {
    if (this.#source?.failure === undefined) return;
    await this.#parts.checkIdentity();
    throw unavailable("NATS delivers nothing at present.", this.#source.failure);
  }

  /** Positions that do not fit the stream are told before anything is delivered. */
  async #begin(): Promise<Map<number, number>> {
    const ends = await this.#parts.ends();
    const target = new Map<number, number>();
    for (const [partition, cursor] of this.#cursors) {
      const end = ends.get(partition) ?? 0;
      if (cursor > end) throw lostTailFault(partition, cursor, end);
      if (cursor < end) target.set(partition, end);
    }
    this.#checkTrimmed();
    if (!this.#parts.isClosed()) this.#source = this.#parts.openSource(ends);
    return target;
  }

  #checkTrimmed(): void {
    for (const [partition, cursor] of this.#cursors) {
      const trimmed = this.#parts.marks.known(partition);
      if (cursor < trimmed) throw trimmedFault(partition, cursor, trimmed);
    }
  }

  /**
   * A trim marks first and removes then. So what has come before the marks were asked for, and is
   * not behind one of them, came without a gap. Where they cannot be asked for, nothing is taken.
   */
  async #takePacks(): Promise<void> {
    const count = this.#packsWaiting;
    if (count === 0) return;
    await this.#parts.readMarks();
    this.#checkTrimmed();
    this.#packs = this.#source?.take(count) ?? [];
  }

  #isAtTarget(): boolean {
    const target = this.#target ?? new Map();
    for (const [partition, end] of target) {
      if ((this.#cursors.get(partition) ?? 0) >= end) target.delete(partition);
    }
    return target.size === 0;
  }

  /** Only at the beginning, where it is known that more is there. */
  async #waitForPacks(): Promise<void> {
    const { clock, doorbell } = this.#parts;
    const deadline = clock.monotonic() + limits.natsRequestMs;
    for (;;) {
      const rings = doorbell.rings;
      if (this.mayHaveMore() || this.#parts.isClosed()) return;
      if (clock.monotonic() >= deadline) {
        throw unavailable("NATS does not deliver what it has.", this.#source?.failure);
      }
      await doorbell.wait(rings, limits.natsReadRetryMs);
    }
  }

  /** @returns whether the batch must be handed over as it is. */
  #collect({ events, positions }: Filling, limit: number): boolean {
    let bytes = 0;
    while (events.length < limit && bytes < limits.readBatchBytesMax) {
      this.#open ??= this.#nextPack();
      if (this.#open === undefined) return false;
      const queued = this.#nextEvent(this.#open, positions.size > 0);
      if (queued === "damaged") return true;
      const { partition, position, event } = queued;
      if (this.#open.place === this.#open.pack.events) this.#open = undefined;
      if (position <= (this.#cursors.get(partition) ?? 0)) continue;
      this.#cursors.set(partition, position);
      positions.set(partition, position);
      if (this.#types?.has(event.type) === false) continue;
      events.push(queued);
      bytes += event.data.length;
    }
    return true;
  }

  /** Packs that were read before are passed over whole. */
  #nextPack(): OpenPack | undefined {
    for (;;) {
      const pack = this.#packs.shift();
      if (pack === undefined) return undefined;
      const last = positionOf(pack.sequence, pack.events - 1);
      if (last > (this.#cursors.get(pack.partition) ?? 0)) return { pack, place: 0, offset: 0 };
    }
  }

  /** What comes before a damaged event is delivered first; the next look meets it at once. */
  #nextEvent(open: OpenPack, hasOthers: boolean): QueuedEvent | "damaged" {
    const { data, partition, sequence, acceptedAt } = open.pack;
    const position = positionOf(sequence, open.place);
    const unpacked = unpackEvent(data, open.offset, partition);
    if (unpacked === undefined) {
      if (hasOthers) return "damaged";
      throw damagedFault(partition, position);
    }
    open.place++;
    open.offset = unpacked.next;
    return { partition, position, acceptedAt, event: unpacked.event };
  }
}

/** Where a source begins, so that no partition misses anything. */
export function firstUnread(
  cursors: ReadonlyMap<number, number>,
  ends: ReadonlyMap<number, number>,
): number {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const [partition, cursor] of cursors) {
    const end = ends.get(partition) ?? 0;
    last = Math.max(last, sequenceOf(end));
    if (cursor < end) first = Math.min(first, sequenceOf(cursor));
  }
  return Math.min(first, last);
}
