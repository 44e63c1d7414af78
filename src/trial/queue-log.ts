import { createHash } from "node:crypto";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent, QueueEngine, Subscription } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import { type Rename, type Row, sortedJson, type Table } from "./table.ts";

/** Everything that is on the queue, read on and on. Each partition's events come in their order. */
export class QueueLog {
  readonly events: QueuedEvent[] = [];
  readonly #names = new Set<string>();
  readonly #queue: QueueEngine;
  readonly #reached: Map<number, number>;
  readonly #subscription: Subscription;

  constructor(queue: QueueEngine) {
    this.#queue = queue;
    const partitions = Array.from({ length: queue.partitions }, (_, partition) => partition);
    this.#reached = new Map(partitions.map((partition) => [partition, 0]));
    this.#subscription = queue.subscribe(this.#reached);
  }

  /** Reads to the end. False where nothing was new. */
  async readOn(): Promise<boolean> {
    const before = this.events.length;
    const ends = await this.#queue.ends();
    const isBehind = () =>
      [...ends].some(([partition, end]) => (this.#reached.get(partition) ?? 0) < end);
    while (isBehind()) {
      const batch = await this.#subscription.next(limits.deadLetterPageMax, limits.queuePollMs);
      this.events.push(...batch.events);
      for (const { event } of batch.events) this.#names.add(nameOf(event));
      for (const [partition, position] of batch.positions) this.#reached.set(partition, position);
    }
    return this.events.length > before;
  }

  has(event: EventRecord): boolean {
    return this.#names.has(nameOf(event));
  }

  async close(): Promise<void> {
    await this.#subscription.close();
  }
}

const nameOf = ({ source, id }: EventRecord): string => `${source} ${id}`;

const ids = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;
const times = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

/**
 * Follow-ups have ids and times that come of when their cause was accepted, another moment in each
 * trial. They get names by what they follow from: `follow-up 1 of input-7 by /shop/orders`.
 */
export function renamingOf(log: readonly QueuedEvent[]): Rename {
  const names = new Map<string, string>();
  const moments = new Set<string>();
  const rename: Rename = (text) =>
    moments.has(text)
      ? "a follow-up's time"
      : text
          .replace(ids, (id) => names.get(id) ?? id)
          .replace(times, (time) => (moments.has(time) ? "a follow-up's time" : time));
  const followUps = log
    .map(({ event }) => event)
    .filter(({ attributes }) => attributes.cause !== undefined)
    // Causes come first: what they are called is a part of the name, and may be in the data.
    .toSorted((one, other) => (one.attributes.depth ?? 0) - (other.attributes.depth ?? 0));
  for (const { time } of followUps) {
    moments.add(new Date(time).toISOString());
    moments.add(String(Date.parse(time)));
  }
  const siblings = Map.groupBy(followUps, ({ attributes, source }) =>
    JSON.stringify([attributes.cause, source]),
  );
  for (const group of siblings.values()) {
    const sortable = group.map((event) => {
      const { type, key, data } = event;
      return {
        event,
        by: JSON.stringify([type, rename(key), rename(sortedJson(JSON.parse(data)))]),
      };
    });
    const inOrder = sortable.toSorted((one, other) => (one.by < other.by ? -1 : 1));
    for (const [index, { event }] of inOrder.entries()) {
      const cause = event.attributes.cause ?? "";
      const name = names.get(cause) ?? cause;
      names.set(event.id, `follow-up ${index + 1} of ${shortened(name)} by ${event.source}`);
    }
  }
  return rename;
}

/** A chain's names would grow with each of its links. */
const shortened = (name: string): string =>
  name.length <= 60
    ? name
    : `${name.slice(0, 40)}… (${createHash("sha256").update(name).digest("hex").slice(0, 8)})`;

/** The events on the queue, as they are compared. */
export function eventTable(log: readonly QueuedEvent[], rename: Rename): Table {
  const rows = log.map(({ event }): Row => {
    const { type, key, source, id, time, data } = event;
    return {
      type,
      key: rename(key),
      source,
      id: rename(id),
      time: rename(new Date(time).toISOString()),
      data: rename(sortedJson(JSON.parse(data))),
    };
  });
  return { name: "events", rows };
}
