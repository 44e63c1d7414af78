import type { Transaction } from "../database/engine.ts";

/** Which shared store the caches of a worker's instances use, and whether they use one at all. */
export interface StoreState {
  /** Another one with each change. */
  readonly generation: number;
  /** `closing`: nobody reads it any more who has looked; some may not have looked yet. */
  readonly state: "open" | "closing" | "closed";
  /** The store's name; empty where none was ever begun. */
  readonly store: string;
}

/** The same as it stands in the worker's database, where all instances see it. */
export interface StoreRecord {
  /** As it was at some time after the call. */
  read(): Promise<StoreState>;
  /** As it is, and stays, until this transaction is over. */
  readIn(transaction: Transaction): Promise<StoreState>;
  /**
   * The next state, unless `from` is not the present generation. Waits until every transaction is
   * over that has read the record in itself.
   */
  move(from: number, to: Omit<StoreState, "generation">): Promise<void>;
}
