import type { Clock } from "../lib/clock.ts";
import { type Placed, SwapSet } from "../lib/swap-set.ts";

interface Watched extends Placed {
  /** By the monotonic clock. */
  readonly dueMs: number;
  readonly expire: () => void;
}

/**
 * What attempts have to end by. One timer serves all of them, set for the one that is due first and
 * left to ring in vain when that has ended: nearly every attempt ends long before its time is up,
 * and a timer of its own for each would cost more than all else around a handler.
 */
export class TimeLimits {
  readonly #clock: Clock;
  readonly #watched = new SwapSet<Watched>();
  #alarm: Disposable | undefined;
  #alarmMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends as `work` does, or rejects with what `timeUp` makes once `ms` have passed before. */
  within(ms: number, work: PromiseLike<unknown>, timeUp: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const watched: Watched = {
        place: -1,
        dueMs: this.#clock.monotonic() + ms,
        expire: () => reject(timeUp()),
      };
      this.#watch(watched);
      work.then(
        () => {
          this.#watched.delete(watched);
          resolve();
        },
        (thrown) => {
          this.#watched.delete(watched);
          reject(thrown);
        },
      );
    });
  }

  #watch(watched: Watched): void {
    this.#watched.add(watched);
    if (watched.dueMs < this.#alarmMs) this.#setAlarm(watched.dueMs);
  }

  #setAlarm(dueMs: number): void {
    this.#alarm?.[Symbol.dispose]();
    this.#alarmMs = dueMs;
    const ms = Math.max(0, dueMs - this.#clock.monotonic());
    this.#alarm = this.#clock.after(ms, () => this.#ring());
  }

  #ring(): void {
    this.#alarm = undefined;
    this.#alarmMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonic();
    let nextMs = Number.POSITIVE_INFINITY;
    this.#watched.visit((watched) => {
      if (watched.dueMs > nowMs) nextMs = Math.min(nextMs, watched.dueMs);
      else {
        this.#watched.delete(watched);
        watched.expire();
      }
    });
    if (nextMs < this.#alarmMs) this.#setAlarm(nextMs);
  }
}
