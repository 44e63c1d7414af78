import type { Clock } from "../lib/clock.ts";
import { type Placed, SwapSet } from "../lib/swap-set.ts";

/**
 * What everything that waits here has to be done by. One timer looks at all of them, because a
 * timer of its own for each step of each request would cost more than the step; so a deadline is
 * kept to within `checkMs`.
 */
export class Deadlines implements Disposable {
  readonly #clock: Clock;
  readonly #open = new SwapSet<Deadline>();
  readonly #timer: Disposable;

  constructor(clock: Clock, checkMs: number) {
    this.#clock = clock;
    this.#timer = clock.every(checkMs, () => this.#check());
  }

  /** A deadline that is not set yet. Dispose of it when what it watches has ended. */
  open(): Deadline {
    const deadline = new Deadline(this.#clock, () => this.#open.delete(deadline));
    this.#open.add(deadline);
    return deadline;
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#open.clear();
  }

  #check(): void {
    const nowMs = this.#clock.monotonic();
    this.#open.visit((deadline) => deadline.check(nowMs));
  }
}

/** One moving deadline: each step of a request sets it anew. */
export class Deadline implements Disposable, Placed {
  place = -1;
  readonly #clock: Clock;
  readonly #forget: () => void;
  #dueMs = Number.POSITIVE_INFINITY;
  #expire: () => void = () => {};

  constructor(clock: Clock, forget: () => void) {
    this.#clock = clock;
    this.#forget = forget;
  }

  /** Calls `expire` once, in `ms` from now, unless it is set again or cleared before. */
  set(ms: number, expire: () => void): void {
    this.#dueMs = this.#clock.monotonic() + ms;
    this.#expire = expire;
  }

  clear(): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  check(nowMs: number): void {
    if (nowMs < this.#dueMs) return;
    this.clear();
    this.#expire();
  }

  [Symbol.dispose](): void {
    this.clear();
    this.#forget();
  }
}
