import type { Clock } from "../../../src/lib/clock.ts";

interface Timer {
  at: number;
  readonly everyMs: number | undefined;
  readonly task: () => void;
}

/**
 * A clock that stands still until it is turned. Unlike the common one of test/support it shows what
 * is due next, and can jump as a process that was paused sees it.
 */
export class ManualClock implements Clock {
  #now = 1_800_000_000_000;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  nowMs(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  every(ms: number, task: () => void): Disposable {
    return this.#add({ at: this.#now + ms, everyMs: ms, task });
  }

  after(ms: number, task: () => void): Disposable {
    return this.#add({ at: this.#now + ms, everyMs: undefined, task });
  }

  /** How long until the next `after` comes due; undefined where none is set. */
  nextAfterMs(): number | undefined {
    const due = [...this.#timers].filter(({ everyMs }) => everyMs === undefined);
    return due.length === 0 ? undefined : Math.min(...due.map(({ at }) => at)) - this.#now;
  }

  turn(ms: number): void {
    const end = this.#now + ms;
    for (let timer = this.#next(end); timer !== undefined; timer = this.#next(end)) {
      this.#now = timer.at;
      if (timer.everyMs === undefined) this.#timers.delete(timer);
      else timer.at += timer.everyMs;
      timer.task();
    }
    this.#now = end;
  }

  /** As after a pause of the whole process: the time has passed, each timer runs once, and late. */
  jump(ms: number): void {
    this.#now += ms;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
      if (timer.everyMs === undefined) this.#timers.delete(timer);
      else timer.at = this.#now + timer.everyMs;
      timer.task();
    }
  }

  #next(end: number): Timer | undefined {
    return [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }

  #add(timer: Timer): Disposable {
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }
}
