import type { Clock } from "../clock.ts";
import { MillraceError } from "../errors.ts";
import { limits } from "../limits.ts";

/** A body on its way. */
export interface Arrival {
  /** Bytes that have come so far. */
  readonly bytes: number;
  giveUp(error: MillraceError): void;
}

interface Watched {
  readonly startedMs: number;
  readonly totalMs: number;
  checkedMs: number;
  checkedBytes: number;
}

/** How late a slow body may be noticed. */
const sweepMs = limits.bodyIdleMs / 10;

/**
 * Gives up on bodies that come slower than the minimum rate (`bodyBytesPerIdleMin` in each
 * `bodyIdleMs`) or take longer than their time. One timer for all of them: a timer for each would
 * be set up and thrown away with nearly every request.
 */
export class ArrivalWatch implements Disposable {
  readonly #clock: Clock;
  readonly #arrivals = new Map<Arrival, Watched>();
  readonly #sweep: Disposable;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweep = clock.every(sweepMs, () => this.#giveUpOnSlow());
  }

  add(arrival: Arrival, totalMs: number): void {
    const startedMs = this.#clock.monotonic();
    this.#arrivals.set(arrival, { startedMs, totalMs, checkedMs: startedMs, checkedBytes: 0 });
  }

  delete(arrival: Arrival): void {
    this.#arrivals.delete(arrival);
  }

  [Symbol.dispose](): void {
    this.#sweep[Symbol.dispose]();
  }

  #giveUpOnSlow(): void {
    const now = this.#clock.monotonic();
    for (const [arrival, watched] of this.#arrivals) {
      if (now - watched.checkedMs < limits.bodyIdleMs) continue;
      const isSlow = arrival.bytes - watched.checkedBytes < limits.bodyBytesPerIdleMin;
      watched.checkedMs = now;
      watched.checkedBytes = arrival.bytes;
      if (!isSlow && now - watched.startedMs < watched.totalMs) continue;
      this.#arrivals.delete(arrival);
      arrival.giveUp(new MillraceError("MR_BODY_TIMEOUT", "The body did not arrive in time."));
    }
  }
}
