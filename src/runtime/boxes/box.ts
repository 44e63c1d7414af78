import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { SystemDefinition } from "../../system/system.ts";
import type { Config } from "../config.ts";
import type { DataFolder } from "../data-folder.ts";
import type { Engines } from "../engines.ts";
import type { SystemSummary } from "../summary.ts";
import type { BoxPlan } from "../topology.ts";

/** What a box is given besides its plan: what all boxes of a process share. */
export interface BoxContext {
  /** Loads the application: the balancer does without. */
  application(): Promise<SystemDefinition>;
  /** The versions that run, for people. */
  versions(): Promise<string>;
  /** The names of all of its workers, in its order. */
  readonly workerNames: readonly string[];
  /** The run of the supervisor above this process. */
  readonly run: string;
  readonly config: Config;
  readonly data: DataFolder;
  readonly engines: Engines;
  readonly clock: Clock;
  readonly log: Log;
  /** To be called when the box has got some of its work done. */
  progressed(): void;
  /** To be called where the process must not go on: an engine is broken. Ends it with a status. */
  fail(error: Error): void;
}

/** A box that runs. */
export interface RunningBox {
  /** The port that it listens on, if it is one that people want to know. */
  readonly port?: number;
  /** The admin port, likewise. */
  readonly adminPort?: number;
  readonly summary?: SystemSummary;
  /**
   * Balancer only: stops or resumes sending to a gateway; resolves when that has come into effect.
   */
  steer?(gateway: string, serving: boolean): Promise<void>;
  /** Finishes what runs and lets go of everything but the engines. */
  stop(): Promise<void>;
}

/** Starts a box. Each of gateway.ts, worker.ts, balancer.ts and admin.ts exports one. */
export type StartBox<Plan extends BoxPlan = BoxPlan> = (
  plan: Plan,
  context: BoxContext,
) => Promise<RunningBox>;
