import type { DatabaseEngine } from "../database/engine.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Queue } from "../queue/queue.ts";
import type { AnyWorker } from "../system/worker.ts";
import type { OwnedPartition } from "./ownership.ts";

/**
 * What a worker's positions rest on (E7): they mean nothing in another queue, and a queue that ends
 * before them is not what it was.
 */

/**
 * Remembers which queue the worker reads.
 *
 * @throws MR_QUEUE_IDENTITY where it has read another one before
 */
export async function knowQueue(
  database: DatabaseEngine,
  queue: Queue,
  worker: string,
): Promise<void> {
  const known = await database.transaction(async (tx) => {
    await tx.run(
      "insert into millrace_queue (one, identity) values (1, $1) on conflict do nothing",
      [queue.identity],
    );
    const [row] = await tx.run<{ identity: string }>("select identity from millrace_queue");
    return row?.identity;
  });
  if (known === queue.identity) return;
  throw new MillraceError(
    "MR_QUEUE_IDENTITY",
    `The database of ${worker} belongs to another queue than the one it is given.`,
    { remedy: "Bring back the queue's data that belongs to this database, or start with neither." },
  );
}

/** Where a new worker begins in each partition. */
export async function firstPositions(
  queue: Queue,
  startFrom: AnyWorker["startFrom"],
): Promise<ReadonlyMap<number, number>> {
  if (startFrom === "now") return await queue.ends();
  const partitions = Array.from({ length: queue.partitions }, (_, partition) => partition);
  const positions = partitions.map((partition) => queue.positionAt(partition, 0));
  return new Map((await Promise.all(positions)).map((position, at) => [at, position]));
}

/**
 * Where the queue's partitions end.
 *
 * @throws MR_QUEUE_GAP where one ends before what was applied: it lost its tail, or is an old copy
 */
export async function checkedEnds(
  queue: Queue,
  worker: string,
  taken: readonly OwnedPartition[],
): Promise<ReadonlyMap<number, number>> {
  const ends = await queue.ends();
  for (const { partition, position } of taken) {
    const end = ends.get(partition) ?? 0;
    if (position <= end) continue;
    throw new MillraceError(
      "MR_QUEUE_GAP",
      `Partition ${partition} of the queue ends at ${end}, but ${worker} has applied ${position}.`,
      { remedy: "The queue lost events or is an old copy; bring back its newest data." },
    );
  }
  return ends;
}
