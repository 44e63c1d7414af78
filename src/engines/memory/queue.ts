import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import { Doorbell } from "../../queue/doorbell.ts";
import type {
  AppendRequest,
  Batch,
  EventName,
  FoundEvent,
  QueuedEvent,
  QueueEngine,
  QueueHealth,
  Receipt,
  SubscribeOptions,
  Subscription,
} from "../../queue/engine.ts";
import { lostTailFault, queueClosed, trimmedFault } from "../../queue/faults.ts";
import { type Reading, WaitingSubscription } from "../../queue/waiting-subscription.ts";

/**
 * What a memory queue holds. Handed to a second `openMemoryQueue` it is the same queue: opened
 * again after a close, or shared as several processes share a file.
 */
export interface MemoryQueueData {
  readonly identity: string;
  readonly partitions: number;
  readonly doorbell: Doorbell;
  /** In order of acceptance. `order` numbers all of them, over the partitions. */
  events: Stored[];
  readonly ids: Map<string, Stored>;
  /** By partition: the newest position, and the newest one that was trimmed. */
  readonly ends: number[];
  readonly trimmed: number[];
  order: number;
  seal: string | undefined;
}

interface Stored extends QueuedEvent {
  readonly order: number;
  readonly fingerprint: string | undefined;
}

export interface MemoryQueueOptions {
  readonly partitions?: number;
  readonly clock?: Clock;
  readonly data?: MemoryQueueData;
}

export const createMemoryQueueData = (
  partitions: number = limits.partitions,
  clock: Clock = systemClock,
): MemoryQueueData => ({
  identity: randomUUID(),
  partitions,
  doorbell: new Doorbell(clock),
  events: [],
  ids: new Map(),
  ends: new Array<number>(partitions).fill(0),
  trimmed: new Array<number>(partitions).fill(0),
  order: 0,
  seal: undefined,
});

/** A queue that lasts as long as its process: for tests. Its receipts say so. */
export function openMemoryQueue(options: MemoryQueueOptions = {}): QueueEngine {
  const clock = options.clock ?? systemClock;
  return new MemoryQueue(options.data ?? createMemoryQueueData(options.partitions, clock), clock);
}

class MemoryQueue implements QueueEngine {
  readonly #data: MemoryQueueData;
  readonly #clock: Clock;
  readonly #subscriptions = new Set<Subscription>();
  #closed = false;

  constructor(data: MemoryQueueData, clock: Clock) {
    this.#data = data;
    this.#clock = clock;
  }

  get partitions(): number {
    return this.#data.partitions;
  }

  get identity(): string {
    return this.#data.identity;
  }

  async append(requests: readonly AppendRequest[]): Promise<Receipt[]> {
    this.#assertOpen();
    const acceptedAt = Math.max(this.#clock.now(), this.#data.events.at(-1)?.acceptedAt ?? 0);
    const receipts = requests.map((request) => this.#store(request, acceptedAt));
    this.#data.doorbell.ring();
    return receipts;
  }

  #store({ partition, event, fingerprint }: AppendRequest, acceptedAt: number): Receipt {
    const data = this.#data;
    const name = identityOf(event.source, event.id);
    const first = data.ids.get(name);
    if (first !== undefined) return receiptOf(first, true);
    const position = (data.ends[partition] ?? 0) + 1;
    data.ends[partition] = position;
    data.order++;
    const stored = { partition, position, acceptedAt, event, fingerprint, order: data.order };
    data.events.push(stored);
    data.ids.set(name, stored);
    return receiptOf(stored, false);
  }

  subscribe(cursors: ReadonlyMap<number, number>, options: SubscribeOptions = {}): Subscription {
    this.#assertOpen();
    const reading = new MemoryReading(this.#data, cursors, options.types);
    const subscription = new WaitingSubscription(reading, {
      doorbell: this.#data.doorbell,
      clock: this.#clock,
      lookMs: () => limits.idleWaitMs,
      onClose: () => this.#subscriptions.delete(subscription),
    });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  async ends(): Promise<ReadonlyMap<number, number>> {
    this.#assertOpen();
    return new Map(this.#data.ends.entries());
  }

  async positionAt(partition: number, timeMs: number): Promise<number> {
    this.#assertOpen();
    const before = this.#data.events.findLast(
      (one) => one.partition === partition && one.acceptedAt < timeMs,
    );
    return before?.position ?? this.#data.trimmed[partition] ?? 0;
  }

  async find(id: string, source?: string): Promise<FoundEvent[]> {
    this.#assertOpen();
    const found: FoundEvent[] = [];
    for (const { event, partition, position, acceptedAt, fingerprint } of this.#data.ids.values()) {
      if (event.id !== id || (source !== undefined && event.source !== source)) continue;
      const kept = position > (this.#data.trimmed[partition] ?? 0);
      const place = {
        ...{ id, source: event.source, partition, position, acceptedAt },
        ...(fingerprint === undefined ? {} : { fingerprint }),
      };
      found.push(kept ? { ...place, event } : place);
    }
    return found;
  }

  async trim(partition: number, position: number): Promise<void> {
    this.#assertOpen();
    const data = this.#data;
    const upTo = Math.min(position, data.ends[partition] ?? 0);
    data.trimmed[partition] = Math.max(upTo, data.trimmed[partition] ?? 0);
    data.events = data.events.filter((one) => one.partition !== partition || one.position > upTo);
  }

  async trimmedIds(after: EventName, limit: number): Promise<FoundEvent[]> {
    this.#assertOpen();
    const names = [...this.#data.ids.values()]
      .map(({ event: { id, source } }) => ({ id, source }))
      .filter((name) => compareNames(name, after) > 0)
      .sort(compareNames);
    const found: FoundEvent[] = [];
    for (const { id, source } of names) {
      const [one] = await this.find(id, source);
      if (one !== undefined && one.event === undefined) found.push(one);
      if (found.length === limit) break;
    }
    return found;
  }

  get seal(): string | undefined {
    return this.#data.seal;
  }

  async setSeal(seal: string | undefined): Promise<void> {
    this.#assertOpen();
    this.#data.seal = seal;
  }

  async health(): Promise<QueueHealth> {
    const [oldest] = this.#data.events;
    return {
      status: this.#closed ? "fail" : "pass",
      detail: this.#closed
        ? "The queue is closed."
        : "Events are kept in memory, and lost with the process.",
      durable: "memory",
      storedEvents: this.#data.events.length,
      storedBytes: this.#data.events.reduce((sum, { event }) => sum + event.data.length, 0),
      ...(oldest === undefined ? {} : { oldestAcceptedAt: oldest.acceptedAt }),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    this.#subscriptions.clear();
  }

  #assertOpen(): void {
    if (this.#closed) throw queueClosed();
  }
}

const compareNames = (one: EventName, other: EventName): number =>
  one.id === other.id ? compare(one.source, other.source) : compare(one.id, other.id);

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const identityOf = (source: string, id: string): string => JSON.stringify([source, id]);

function receiptOf(stored: Stored, duplicate: boolean): Receipt {
  const { event, partition, position, fingerprint } = stored;
  const receipt = { id: event.id, partition, position, durable: "memory" as const, duplicate };
  return duplicate && fingerprint !== undefined ? { ...receipt, fingerprint } : receipt;
}

class MemoryReading implements Reading {
  readonly #data: MemoryQueueData;
  readonly #cursors: Map<number, number>;
  readonly #types: ReadonlySet<string> | undefined;
  /** Up to here, by `order`, everything was looked at. */
  #order = 0;

  constructor(
    data: MemoryQueueData,
    cursors: ReadonlyMap<number, number>,
    types: ReadonlySet<string> | undefined,
  ) {
    this.#data = data;
    this.#cursors = new Map(cursors);
    this.#types = types;
  }

  mayHaveMore(): boolean {
    return this.#data.order > this.#order;
  }

  async read(limit: number): Promise<Batch> {
    this.#checkCursors();
    const events: QueuedEvent[] = [];
    const positions = new Map<number, number>();
    for (let at = this.#firstUnread(); at < this.#data.events.length; at++) {
      const stored = this.#data.events[at];
      if (stored === undefined || events.length === limit) break;
      const { order, partition, position, acceptedAt, event } = stored;
      this.#order = order;
      const cursor = this.#cursors.get(partition);
      if (cursor === undefined || position <= cursor) continue;
      this.#cursors.set(partition, position);
      positions.set(partition, position);
      if (this.#types?.has(event.type) === false) continue;
      events.push({ partition, position, acceptedAt, event });
    }
    return { events, positions };
  }

  #checkCursors(): void {
    for (const [partition, cursor] of this.#cursors) {
      const trimmed = this.#data.trimmed[partition] ?? 0;
      const end = this.#data.ends[partition] ?? 0;
      if (cursor < trimmed) throw trimmedFault(partition, cursor, trimmed);
      if (cursor > end) throw lostTailFault(partition, cursor, end);
    }
  }

  /** The events are sorted by `order`, with gaps where they were trimmed. */
  #firstUnread(): number {
    let low = 0;
    let high = this.#data.events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#data.events[middle]?.order ?? 0) <= this.#order) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
