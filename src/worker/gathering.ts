import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";

/**
 * Keeps passes apart under load. Each has its price, a commit and a sync, however many events share
 * it; where they keep coming, the next one begins a little later, so that it finds more of them.
 */
export class Gathering {
  readonly #clock: Clock;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits, where it is worth it, after a pass of so many events. */
  async after(events: number, stop: AbortSignal): Promise<void> {
    const leftMs = this.#lastMs + limits.gatherMs - this.#clock.monotonic();
    const isWorth = events >= limits.gatherEventsMin && events < limits.passEventsMax;
    if (isWorth && leftMs > 0) await this.#clock.sleep(leftMs, stop);
    this.#lastMs = this.#clock.monotonic();
  }
}
