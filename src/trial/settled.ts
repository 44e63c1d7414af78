import type { DatabaseEngine } from "../database/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import { type Patience, patiently } from "./patience.ts";
import type { QueueLog } from "./queue-log.ts";

/** A system from outside: what is on its queue, and its workers' databases. */
export interface Looked {
  readonly log: QueueLog;
  readonly workers: readonly LookedWorker[];
}

export interface LookedWorker {
  readonly name: string;
  /** The types of events that it handles. */
  readonly types: ReadonlySet<string>;
  readonly database: DatabaseEngine;
}

const lookMs = 10;

/**
 * Waits until nothing is under way: each worker has come behind every event that it handles, waits
 * for no further attempt, and has emitted all that it had to. False where that took longer.
 */
export async function untilSettled(looked: Looked, patience: Patience): Promise<boolean> {
  const { clock, patienceMs, signal } = patience;
  const deadline = clock.monotonic() + patienceMs;
  for (;;) {
    signal.throwIfAborted();
    if (await patiently(patience, () => isSettled(looked))) return true;
    if (clock.monotonic() > deadline) return false;
    await clock.sleep(lookMs, signal);
  }
}

async function isSettled({ log, workers }: Looked): Promise<boolean> {
  await log.readOn();
  for (const { types, database } of workers) {
    const last = new Map<number, number>();
    for (const { partition, position, event } of log.events) {
      if (types.has(event.type)) last.set(partition, position);
    }
    if (!(await isBehind(database, last)) || !(await isIdle(database, log))) return false;
  }
  // A worker may have emitted something since the queue was read.
  return !(await log.readOn());
}

async function isBehind(
  database: DatabaseEngine,
  events: ReadonlyMap<number, number>,
): Promise<boolean> {
  const rows = await database.read<{ partition: number; position: number }>(
    "select partition, position from millrace_positions",
  );
  const positions = new Map(rows.map(({ partition, position }) => [partition, position]));
  return [...events].every(([partition, position]) => (positions.get(partition) ?? 0) >= position);
}

async function isIdle(database: DatabaseEngine, log: QueueLog): Promise<boolean> {
  const due = await database.read(
    "select 1 from millrace_parked where next_at is not null limit 1",
  );
  if (due.length > 0) return false;
  // What the queue has confirmed may stay in the outbox until the worker writes something else.
  const posted = await database.read<{ event: string }>("select event from millrace_outbox");
  return posted.every(({ event }) => log.has(JSON.parse(event) as EventRecord));
}
