import type { Row, Transaction } from "../database/engine.ts";
import { MillraceError } from "../lib/errors.ts";
import type { EventName, QueueEngine } from "../queue/engine.ts";
import { inParallel } from "./copy-queue.ts";

interface Context {
  readonly worker: string;
  readonly source: Transaction;
  readonly fromQueue: QueueEngine;
  readonly toQueue: QueueEngine;
  readonly applied: ReadonlyMap<number, number>;
}

/** What becomes of rows on their way; some say nothing there any more. */
type Treat = (rows: readonly Row[], context: Context) => Promise<readonly Row[]>;

/**
 * What a move does with the tables of a worker's bookkeeping. All others, those of the application
 * among them, are copied as they are.
 */
export const treatments: Readonly<Record<string, "left" | Treat>> = {
  // What was applied is written by the migrations themselves.
  millrace_migrations: "left",
  // Who lives: nobody.
  millrace_instances: "left",
  // What caches in memory and shared ones follow: they begin empty.
  millrace_touches: "left",
  millrace_cache: "left",
  millrace_queue: async (rows, { toQueue }) =>
    rows.map((row) => ({ ...row, identity: toQueue.identity })),
  // The owner stays: whoever takes over from one that died is careful.
  millrace_positions: async (rows, { applied }) =>
    rows.map((row) => ({
      ...{ ...row, epoch: 0, lease_until: 0 },
      position: applied.get(Number(row.partition)) ?? 0,
    })),
  millrace_parked: placed,
  millrace_timers: placed,
  millrace_dead_letters: placed,
  millrace_attempts: async (rows, context) => {
    const moved = await inParallel(rows, async (row) => {
      const name = await nameAt(row, context);
      return name === undefined ? undefined : await withPlace(row, name, context);
    });
    return moved.filter((row) => row !== undefined);
  },
};

/** Rows with their event: its place in the new queue is theirs. */
async function placed(rows: readonly Row[], context: Context): Promise<readonly Row[]> {
  return await inParallel(rows, (row) => withPlace(row, JSON.parse(String(row.event)), context));
}

async function withPlace(
  row: Row,
  { id, source }: EventName,
  { worker, toQueue }: Context,
): Promise<Row> {
  const [found] = await toQueue.find(id, source);
  if (found === undefined) {
    throw new MillraceError(
      "MR_MOVE_DIFFERS",
      `${worker} keeps the event ${id}, which the new queue does not know.`,
      { remedy: "Empty the target and begin anew." },
    );
  }
  return { ...row, partition: found.partition, position: found.position };
}

/**
 * The event that stands at the place of an attempt. Where it is neither parked nor in the queue any
 * more, it has come to its end otherwise.
 */
async function nameAt(row: Row, { source, fromQueue }: Context): Promise<EventName | undefined> {
  const [partition, position] = [Number(row.partition), Number(row.position)];
  const [parked] = await source.run<{ event: string }>(
    "select event from millrace_parked where partition = $1 and position = $2",
    [partition, position],
  );
  if (parked !== undefined) return JSON.parse(parked.event);
  const trimmed = await fromQueue.positionAt(partition, 0);
  if (position <= trimmed) return undefined;
  const subscription = fromQueue.subscribe(new Map([[partition, position - 1]]));
  try {
    const { events } = await subscription.next(1, 0);
    return events.find((queued) => queued.position === position)?.event;
  } finally {
    await subscription.close();
  }
}
