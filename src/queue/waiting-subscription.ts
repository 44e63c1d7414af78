import type { Clock } from "../lib/clock.ts";
import { assert } from "../lib/errors.ts";
import type { Doorbell } from "./doorbell.ts";
import type { Batch, Subscription } from "./engine.ts";

/** What an engine supplies: reading what is there now. Everything about waiting is here. */
export interface Reading {
  /** What is there; nothing (no events, no positions) where the reader has caught up. */
  read(limit: number): Promise<Batch>;
  /** A cheap look whether there can be anything new since the last `read`; asked without a bell. */
  mayHaveMore(): boolean;
}

interface Waiting {
  readonly doorbell: Doorbell;
  readonly clock: Clock;
  /** How long to sleep at most before looking without a ring. */
  readonly lookMs: () => number;
  readonly onClose: () => void;
}

const emptyBatch: Batch = { events: [], positions: new Map() };

/** A subscription that looks, and where nothing is there waits for the doorbell and looks again. */
export class WaitingSubscription implements Subscription {
  readonly #reading: Reading;
  readonly #waiting: Waiting;
  #running = false;
  #closed = false;

  constructor(reading: Reading, waiting: Waiting) {
    this.#reading = reading;
    this.#waiting = waiting;
  }

  async next(limit: number, waitMs: number, signal?: AbortSignal): Promise<Batch> {
    assert(limit > 0, "a batch holds at least one event");
    assert(!this.#running, "a subscription's next runs one at a time");
    this.#running = true;
    try {
      return await this.#next(limit, waitMs, signal);
    } finally {
      this.#running = false;
    }
  }

  async #next(limit: number, waitMs: number, signal: AbortSignal | undefined): Promise<Batch> {
    const { clock, doorbell, lookMs } = this.#waiting;
    const deadline = clock.monotonic() + waitMs;
    for (;;) {
      if (this.#closed || signal?.aborted) return emptyBatch;
      const rings = doorbell.rings;
      const batch = await this.#reading.read(limit);
      if (batch.events.length > 0 || batch.positions.size > 0) return batch;
      do {
        const leftMs = deadline - clock.monotonic();
        if (leftMs <= 0 || this.#closed || signal?.aborted) return emptyBatch;
        await doorbell.wait(rings, Math.min(leftMs, lookMs()), signal);
      } while (rings === doorbell.rings && !this.#reading.mayHaveMore());
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.onClose();
    this.#waiting.doorbell.ring();
  }
}
