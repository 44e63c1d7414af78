import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Batch, QueuedEvent, SubscribeOptions, Subscription } from "../queue/engine.ts";
import type { Queue } from "../queue/queue.ts";

export interface QueueBounds {
  /** Partition → the last position that is delivered. */
  readonly upTo: ReadonlyMap<number, number>;
  /** Asked about each event before the bound; what it refuses is passed over. */
  readonly admits: (queued: QueuedEvent) => boolean;
}

const nothing: Batch = { events: [], positions: new Map() };

/** The queue as it was at a moment, for reading alone. */
export function boundedQueue(queue: Queue, bounds: QueueBounds, clock: Clock): Queue {
  return {
    partitions: queue.partitions,
    identity: queue.identity,
    subscribe: (cursors, options) =>
      new BoundedSubscription(queue, bounds, clock, cursors, options),
    ends: () => queue.ends(),
    positionAt: (partition, timeMs) => queue.positionAt(partition, timeMs),
    find: (id, source) => queue.find(id, source),
    health: () => queue.health(),
    async append() {
      throw readOnly();
    },
    async trim() {
      throw readOnly();
    },
    // It belongs to whoever opened it.
    async close() {},
  };
}

const readOnly = () => new MillraceError("MR_INTERNAL", "A replay only reads the queue.");

class BoundedSubscription implements Subscription {
  readonly #inner: Subscription | undefined;
  readonly #bounds: QueueBounds;
  readonly #clock: Clock;
  /** Partitions that have not come to their bound. */
  readonly #open: Set<number>;

  constructor(
    queue: Queue,
    bounds: QueueBounds,
    clock: Clock,
    cursors: ReadonlyMap<number, number>,
    options?: SubscribeOptions,
  ) {
    this.#bounds = bounds;
    this.#clock = clock;
    const open = new Map([...cursors].filter(([partition, at]) => at < this.#end(partition)));
    this.#open = new Set(open.keys());
    this.#inner = open.size === 0 ? undefined : queue.subscribe(open, options);
  }

  async next(limit: number, waitMs: number, signal?: AbortSignal): Promise<Batch> {
    if (this.#inner === undefined || this.#open.size === 0) {
      await this.#clock.sleep(waitMs, signal);
      return nothing;
    }
    const { events, positions } = await this.#inner.next(limit, waitMs, signal);
    const within = events.filter(
      ({ partition, position }) => this.#open.has(partition) && position <= this.#end(partition),
    );
    const reached = new Map<number, number>();
    for (const [partition, position] of positions) {
      if (!this.#open.has(partition)) continue;
      reached.set(partition, Math.min(position, this.#end(partition)));
      if (position >= this.#end(partition)) this.#open.delete(partition);
    }
    return { events: within.filter(this.#bounds.admits), positions: reached };
  }

  async close(): Promise<void> {
    await this.#inner?.close();
  }

  #end(partition: number): number {
    return this.#bounds.upTo.get(partition) ?? 0;
  }
}
