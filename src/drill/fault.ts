import type { Target } from "./targets.ts";

/**
 * The port of a fault: something that can be done to a running system, and undone. Whoever brings
 * an engine on servers of its own brings the faults of these servers. A fault is honest: what it
 * says is what it does, to a real process or a real file.
 */
export interface Fault {
  readonly target: Target;
  /** `kill`, `stop`; unlike for each fault of a target. */
  readonly name: string;
  /** What it does, in a sentence. */
  readonly says: string;
  /**
   * Strikes; resolves once the fault is there. Rejects where there is nothing to strike: then
   * nothing was done.
   */
  strike(): Promise<Struck>;
}

/** A fault that is there. */
export interface Struck {
  /** What was hit: `kill -9 of gateway-1`. */
  readonly what: string;
  /**
   * Takes the fault away again; absent where it was over at once (a kill) and the system has to
   * mend itself. Idempotent, never rejects.
   */
  readonly heal?: () => Promise<void>;
}

/** The faults of an engine, and what they hold open for it. */
export interface FaultSet extends AsyncDisposable {
  readonly faults: readonly Fault[];
}
