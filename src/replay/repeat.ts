import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { Queue } from "../queue/queue.ts";
import { formatPlace } from "../worker/link.ts";
import { boundedQueue } from "./bounded-queue.ts";
import { isWanted, liveState, type ReplayFilter } from "./live-state.ts";
import type { ReplayProgress } from "./rebuild.ts";
import { Takeover } from "./takeover.ts";

export interface RepeatParts {
  readonly queue: Queue;
  readonly live: DatabaseEngine;
  readonly clock: Clock;
  readonly from: ReadonlyMap<number, number>;
  readonly filter: ReplayFilter;
  readonly onProgress: (progress: ReplayProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * Has a worker handle events again in the database that it has: its positions go back, and the
 * events are forgotten as handled. All their effects happen once more, emitted events included.
 * Resolves to how many there are; the worker goes on from there by itself.
 */
export async function repeat(parts: RepeatParts): Promise<number> {
  const { clock, filter, from, live, onProgress, queue, signal } = parts;
  await using takeover = await Takeover.of(live, clock);
  const state = await liveState(live);
  const admits = (queued: QueuedEvent) =>
    isWanted(filter, queued) && !state.unapplied.has(formatPlace(queued));
  const bounded = boundedQueue(queue, { upTo: state.positions, admits }, clock);
  const subscription = bounded.subscribe(from);
  const reached = new Map(from);
  let events = 0;
  const left = () => [...state.positions].filter(([at, end]) => (reached.get(at) ?? 0) < end);
  const total = left().length;
  try {
    while (left().length > 0) {
      signal.throwIfAborted();
      const batch = await subscription.next(limits.passEventsMax, limits.idleWaitMs, signal);
      events += batch.events.length;
      await forget(live, batch.events);
      for (const [partition, position] of batch.positions) reached.set(partition, position);
      onProgress({ events, share: 1 - left().length / Math.max(1, total) });
    }
  } finally {
    await subscription.close();
  }
  await live.transaction(async (tx) => {
    await takeover.confirm(tx);
    for (const [partition, position] of from) {
      await tx.run(
        `update millrace_positions set position = $2, epoch = epoch + 1, owner = null,
           lease_until = 0 where partition = $1 and position > $2`,
        [partition, position],
      );
    }
  });
  return events;
}

async function forget(live: DatabaseEngine, events: readonly QueuedEvent[]): Promise<void> {
  if (events.length === 0) return;
  const ids = JSON.stringify(events.map(({ event }) => [event.id, event.source]));
  await live.transaction((tx) =>
    tx.run(
      `delete from millrace_inbox where (id, source) in
         (select value ->> 0, value ->> 1 from ${live.dialect.each("$1")})`,
      [ids],
    ),
  );
}
