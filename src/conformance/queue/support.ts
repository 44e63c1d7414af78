import { deepStrictEqual, ok } from "node:assert/strict";
import type {
  AppendRequest,
  QueuedEvent,
  QueueEngine,
  Receipt,
  Subscription,
} from "../../queue/engine.ts";
import type { EventRecord } from "../../system/event-record.ts";
import { partitions } from "./scenario.ts";

export const record = (id: string, changes: Partial<EventRecord> = {}): EventRecord => ({
  id,
  source: "/suite/gateway",
  type: "thing.happened",
  key: "key",
  time: "2026-01-01T00:00:00.000Z",
  data: JSON.stringify({ id }),
  attributes: {},
  ...changes,
});

export const request = (
  id: string,
  partition = 0,
  changes: Partial<EventRecord> = {},
): AppendRequest => ({ partition, event: record(id, changes) });

/** `count` requests, one after another on each partition in turn. */
export const requests = (prefix: string, count: number): AppendRequest[] =>
  Array.from({ length: count }, (_, at) =>
    request(`${prefix}-${String(at).padStart(6, "0")}`, at % partitions),
  );

/** Appends a few hundred at a time, one call after another. */
export async function appendAll(
  engine: QueueEngine,
  all: readonly AppendRequest[],
  perCall = 250,
): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  for (let at = 0; at < all.length; at += perCall) {
    receipts.push(...(await engine.append(all.slice(at, at + perCall))));
  }
  return receipts;
}

export async function appendOne(engine: QueueEngine, one: AppendRequest): Promise<Receipt> {
  const [receipt] = await engine.append([one]);
  ok(receipt, "an append of one event has one receipt");
  return receipt;
}

/** Cursors of all partitions at the start, changed where given. */
export const cursors = (changes: Readonly<Record<number, number>> = {}): Map<number, number> =>
  new Map(
    Array.from({ length: partitions }, (_, partition) => [partition, changes[partition] ?? 0]),
  );

/** Looks so often for what must come before the suite gives up; each look may wait. */
const looksMax = 400;
const lookMs = 50;

/** Reads until `count` events came. */
export async function take(subscription: Subscription, count: number): Promise<QueuedEvent[]> {
  const events: QueuedEvent[] = [];
  for (let looks = 0; events.length < count && looks < looksMax; ) {
    const batch = await subscription.next(Math.min(256, count - events.length), lookMs);
    events.push(...batch.events);
    if (batch.events.length === 0) looks++;
  }
  deepStrictEqual(events.length, count, "as many events came as were waited for");
  return events;
}

/** Everything that is there now. */
export async function readAll(
  engine: QueueEngine,
  from: ReadonlyMap<number, number> = cursors(),
  types?: ReadonlySet<string>,
): Promise<QueuedEvent[]> {
  const subscription = engine.subscribe(from, types === undefined ? {} : { types });
  const events: QueuedEvent[] = [];
  for (;;) {
    const batch = await subscription.next(100, 0);
    if (batch.events.length === 0 && batch.positions.size === 0) break;
    events.push(...batch.events);
  }
  await subscription.close();
  return events;
}

export const idsOf = (events: readonly QueuedEvent[]): string[] =>
  events.map(({ event }) => event.id);

/** The ids of each partition, in the order in which they came. */
export function idsByPartition(
  events: readonly { readonly partition: number; readonly event: EventRecord }[],
): string[][] {
  const lines: string[][] = Array.from({ length: partitions }, () => []);
  for (const { partition, event } of events) lines[partition]?.push(event.id);
  return lines;
}

/** The same events, each partition's in the same order. */
export function assertSameOrder(
  events: readonly { readonly partition: number; readonly event: EventRecord }[],
  expected: readonly { readonly partition: number; readonly event: EventRecord }[],
): void {
  deepStrictEqual(idsByPartition(events), idsByPartition(expected));
}

/** Within each partition the positions grow; no position stands twice. */
export function assertPositionsGrow(events: readonly QueuedEvent[]): void {
  const last = new Map<number, number>();
  for (const { partition, position } of events) {
    ok(position > (last.get(partition) ?? 0), `position ${position} comes after its predecessor`);
    last.set(partition, position);
  }
}
