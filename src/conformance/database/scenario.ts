import type { DatabaseEngine } from "../../database/engine.ts";
import type { Feature } from "../test-api.ts";

/** What not every engine can do. A reason in place of `true` skips the scenarios that need it. */
export interface DatabaseFeatures {
  /** Closed and opened again, the engine has what it had. */
  readonly restart: Feature;
  /** The same database can be open several times at once, as by several processes. */
  readonly sharing: Feature;
}

/** One place where an engine keeps a database, new and empty at first. */
export interface DatabasePlace {
  /** Opens an engine on it; again after a close, and several times at once. */
  open(): Promise<DatabaseEngine>;
  /** Removes the data. All engines are closed by then. */
  remove(): Promise<void>;
}

/** One promise of the port and the way to see it kept. */
export interface DatabaseScenario {
  readonly name: string;
  readonly needs?: keyof DatabaseFeatures;
  /** `open` opens an engine on the scenario's own new place. */
  readonly run: (open: () => Promise<DatabaseEngine>) => Promise<void>;
}
