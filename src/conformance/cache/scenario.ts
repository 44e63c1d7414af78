import type { CacheEngine } from "../../cache/engine.ts";
import type { Feature } from "../test-api.ts";

/** What not every engine can do. A reason in place of `true` skips the scenarios that need it. */
export interface CacheFeatures {
  /** Several engines, as of several processes, see one store. The same as the engine's `shared`. */
  readonly sharing: Feature;
}

/** One place where an engine keeps what it caches, empty at first. */
export interface CachePlace {
  /** Opens an engine on it; several at once where the store is shared. */
  open(): Promise<CacheEngine>;
  /** Lets this much time pass for what is kept: by turning a clock, or by waiting. */
  pass(ms: number): Promise<void>;
  /** Removes the data. All engines are closed by then. */
  remove(): Promise<void>;
}

/** One promise of the port and the way to see it kept. */
export interface CacheScenario {
  readonly name: string;
  readonly needs?: keyof CacheFeatures;
  readonly run: (open: () => Promise<CacheEngine>, place: CachePlace) => Promise<void>;
}
