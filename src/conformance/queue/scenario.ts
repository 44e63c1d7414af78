import type { QueueEngine } from "../../queue/engine.ts";
import type { Feature } from "../test-api.ts";

/** What not every engine can do. A reason in place of `true` skips the scenarios that need it. */
export interface QueueFeatures {
  /** Closed and opened again, the engine has what it had. */
  readonly restart: Feature;
  /** The same data can be open several times at once, as by several processes. */
  readonly sharing: Feature;
  /**
   * Events of one call keep its order over all partitions, and not only, as promised, within each.
   */
  readonly oneOrder: Feature;
  /** It can tell which ids it remembers, and not only whether it does. */
  readonly trimmedIds: Feature;
}

/** One place where an engine keeps data, new and empty at first. */
export interface QueuePlace {
  /** Opens an engine on it; again after a close, and several times at once. */
  open(): Promise<QueueEngine>;
  /** Removes the data. All engines are closed by then. */
  remove(): Promise<void>;
}

/** One promise of the port and the way to see it kept. */
export interface Scenario {
  readonly name: string;
  readonly needs?: keyof QueueFeatures;
  /** `open` opens an engine on the scenario's own new place with 4 partitions. */
  readonly run: (open: () => Promise<QueueEngine>) => Promise<void>;
}

/** Every place of the suite is created with so many. */
export const partitions = 4;
