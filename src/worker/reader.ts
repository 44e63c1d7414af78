import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Batch, QueuedEvent, Subscription } from "../queue/engine.ts";
import type { Queue } from "../queue/queue.ts";
import type { OwnedPartition } from "./ownership.ts";

/** A batch, and whether it is worth a transaction by now. */
export interface ReadBatch extends Batch {
  readonly isWorth: boolean;
}

const nothing: ReadBatch = { events: [], positions: new Map(), isWorth: false };

/**
 * Reads the partitions that an instance owns. Events of types that the worker does not handle are
 * passed over: their positions are gathered here and written with the next batch, or now and then.
 */
export class Reader {
  readonly #queue: Queue;
  readonly #types: ReadonlySet<string>;
  readonly #clock: Clock;
  #subscription: Subscription | undefined;
  #passedOver = new Map<number, number>();
  #passedOverSince = 0;

  constructor(queue: Queue, types: ReadonlySet<string>, clock: Clock) {
    this.#queue = queue;
    this.#types = types;
    this.#clock = clock;
  }

  /** Reads on from what is applied, after partitions came or went. */
  async restart(partitions: readonly OwnedPartition[]): Promise<void> {
    await this.close();
    if (partitions.length === 0) return;
    const cursors = new Map(partitions.map(({ partition, position }) => [partition, position]));
    this.#subscription = this.#queue.subscribe(cursors, { types: this.#types });
  }

  async next(waitMs: number, signal: AbortSignal): Promise<ReadBatch> {
    if (this.#subscription === undefined) {
      await this.#clock.sleep(waitMs, signal);
      return nothing;
    }
    const wait = this.#passedOver.size > 0 ? Math.min(waitMs, limits.passedOverWriteMs) : waitMs;
    const batch = await this.#subscription.next(limits.passEventsMax, wait, signal);
    return this.#gather(batch.events, batch.positions);
  }

  async close(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    this.#passedOver = new Map();
    await subscription?.close();
  }

  #gather(events: readonly QueuedEvent[], reached: ReadonlyMap<number, number>): ReadBatch {
    const now = this.#clock.monotonic();
    if (this.#passedOver.size === 0) this.#passedOverSince = now;
    for (const [partition, position] of reached) this.#passedOver.set(partition, position);
    const isOld = now - this.#passedOverSince >= limits.passedOverWriteMs;
    if (events.length === 0 && !(isOld && this.#passedOver.size > 0)) {
      return { events, positions: reached, isWorth: false };
    }
    const positions = this.#passedOver;
    this.#passedOver = new Map();
    return { events, positions, isWorth: true };
  }
}
