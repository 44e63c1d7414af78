import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";

/**
 * Tells whether the event loop is behind its work, by a timer that comes late or is overdue. It
 * rings a few times a second: the histogram that Node offers for this wakes an idle process a
 * hundred times.
 */
export class LoopWatch implements Disposable {
  readonly #clock: Clock;
  readonly #timer: Disposable;
  #dueMs: number;
  #lateMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#dueMs = clock.monotonic() + limits.loopWatchMs;
    this.#timer = clock.every(limits.loopWatchMs, () => {
      const nowMs = clock.monotonic();
      this.#lateMs = nowMs - this.#dueMs;
      this.#dueMs = nowMs + limits.loopWatchMs;
    });
  }

  get isBehind(): boolean {
    const overdueMs = this.#clock.monotonic() - this.#dueMs;
    return Math.max(this.#lateMs, overdueMs) > limits.eventLoopDelayMaxMs;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
