import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { advanceOf } from "./advances.ts";
import type { Ownership } from "./ownership.ts";
import type { WorkerStore } from "./store.ts";

export interface ClockWatchParts {
  readonly database: DatabaseEngine;
  readonly store: WorkerStore;
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * What waits for another attempt waits by the wall clock, which outlives the process. Where that is
 * set back, the pauses must not grow by it. Set forward, they are over: that needs nothing.
 */
export class ClockWatch {
  readonly #parts: ClockWatchParts;
  /** How far the wall clock is before the steady one. */
  #apart: number | undefined;

  constructor(parts: ClockWatchParts) {
    this.#parts = parts;
  }

  /** Brings what waits nearer, if the clock was set back; true where it was. */
  async heed(): Promise<boolean> {
    const { clock, database, log, ownership, store } = this.#parts;
    const apart = clock.now() - clock.monotonic();
    const backMs = Math.ceil((this.#apart ?? apart) - apart);
    this.#apart = apart;
    if (backMs < limits.clockSetBackMs) return false;
    log.warn({ backMs }, "the clock was set back");
    const held = [...ownership.owned.values()];
    await database.transaction(async (tx) => {
      const partitions = held.map(({ partition }) => partition);
      await store.bringNearer(tx, partitions, backMs);
      await store.advance(
        tx,
        held.map((owned) => advanceOf(owned)),
      );
    });
    return true;
  }
}
