import type { QueuedEvent } from "../queue/engine.ts";
import type { OwnedPartition } from "./ownership.ts";
import type { Advance } from "./store.ts";

/** A partition's step to a position; without one, only that it is held is to be proven. */
export const advanceOf = (
  { partition, epoch, position }: OwnedPartition,
  to: number = position,
): Advance => ({ partition, epoch, from: position, to });

/** The steps to these positions, of the partitions that are owned. */
export const advancesTo = (
  owned: ReadonlyMap<number, OwnedPartition>,
  positions: ReadonlyMap<number, number>,
): Advance[] =>
  [...positions].flatMap(([partition, to]) => {
    const held = owned.get(partition);
    return held === undefined ? [] : [advanceOf(held, to)];
  });

/** Partition → the last of their positions. */
export const reachedBy = (events: readonly QueuedEvent[]): ReadonlyMap<number, number> =>
  new Map(events.map(({ partition, position }) => [partition, position]));
