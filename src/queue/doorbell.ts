import type { Clock } from "../lib/clock.ts";

/** Wakes, all at once, those who wait for something new. Missed rings are told by `rings`. */
export class Doorbell {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #rings = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How often it rang; shown to `wait`, so that no ring between a look and the wait gets lost. */
  get rings(): number {
    return this.#rings;
  }

  ring(): void {
    this.#rings++;
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of woken) wake();
  }

  /** Resolves at the first ring after `rings`, after `ms`, or when `signal` aborts. */
  wait(rings: number, ms: number, signal?: AbortSignal): Promise<void> {
    if (rings !== this.#rings || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        timer[Symbol.dispose]();
        this.#waiting.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = this.#clock.after(ms, wake);
      this.#waiting.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }
}
