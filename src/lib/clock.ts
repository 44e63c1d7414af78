/** Time as the rest of the code sees it: injected, so that tests turn it by hand. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /**
   * `now` with fractions of a millisecond, for spans shorter than one; absent where time is
   * turned by hand.
   */
  nowMs?(): number;
  /** Milliseconds of a clock that never goes back; only differences mean something. */
  monotonic(): number;
  /**
   * Resolves after `ms`, or at once when `signal` aborts. Never rejects. Keeps the process alive:
   * somebody waits for what comes next.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `task` every `ms` until disposed; keeps no process alive. */
  every(ms: number, task: () => void): Disposable;
  /** Calls `task` once after `ms` unless disposed; keeps no process alive. */
  after(ms: number, task: () => void): Disposable;
}

/** Waits until `work` has ended, well or not, but at most `ms`. Never rejects. */
export async function settledWithin(
  clock: Clock,
  ms: number,
  work: Promise<unknown>,
): Promise<void> {
  const ended = new AbortController();
  const end = () => ended.abort();
  work.then(end, end);
  await clock.sleep(ms, ended.signal);
}

/** The wall clock, as exactly as the clock can tell. */
export const preciseNow = (clock: Clock): number => clock.nowMs?.() ?? clock.now();

/**
 * The wall clock in fractions of a millisecond: the monotonic clock counted from a start by the
 * wall clock. Whenever the wall clock was set meanwhile, the start is taken anew, so that the two
 * agree.
 */
function preciseWallClock(): () => number {
  let startMs = performance.timeOrigin;
  return () => {
    const sinceStartMs = performance.now();
    const apartMs = Date.now() - (startMs + sinceStartMs);
    if (Math.abs(apartMs) > 5) startMs += apartMs;
    return startMs + sinceStartMs;
  };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  nowMs: preciseWallClock(),
  monotonic: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener("abort", finish, { once: true });
    });
  },
  every(ms, task) {
    const timer = setInterval(task, ms);
    timer.unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
  after(ms, task) {
    const timer = setTimeout(task, ms);
    timer.unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
