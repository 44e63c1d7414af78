import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import { formatPlace, type Place } from "../worker/link.ts";

/** How far a live worker is, and what of it is not done. */
export interface LiveState {
  /** Partition → position up to which everything is applied, but what is unapplied. */
  readonly positions: ReadonlyMap<number, number>;
  /** Places of events that are parked, scheduled, or dead letters. */
  readonly unapplied: ReadonlySet<string>;
}

/** Both as of one moment. */
export async function liveState(database: DatabaseEngine): Promise<LiveState> {
  return await database.transaction(liveStateIn, { isAlone: true });
}

export async function liveStateIn(tx: Transaction): Promise<LiveState> {
  const positions = await tx.run<Place>("select partition, position from millrace_positions");
  const unapplied = await tx.run<Place>(
    `select partition, position from millrace_parked
     union all select partition, position from millrace_dead_letters
     union all select partition, position from millrace_timers`,
  );
  return {
    positions: new Map(positions.map(({ partition, position }) => [partition, position])),
    unapplied: new Set(unapplied.map(formatPlace)),
  };
}

/** Which events a replay is about; each member narrows it. */
export interface ReplayFilter {
  readonly types?: ReadonlySet<string>;
  readonly keys?: ReadonlySet<string>;
}

export const isWanted = ({ types, keys }: ReplayFilter, { event }: QueuedEvent): boolean =>
  (types?.has(event.type) ?? true) && (keys?.has(event.key) ?? true);
