import type { Clock } from "../../src/lib/clock.ts";

export interface HandClock extends Clock {
  /** Lets this much time pass: what is due runs, in the order of its time. */
  advance(ms: number): void;
}

/** A clock that stands still until it is turned by hand, fractions of a millisecond included. */
export function handClock(startMs = 1_700_000_000_000): HandClock {
  let nowMs = startMs;
  const timers = new Set<{ atMs: number; everyMs?: number; task: () => void }>();
  const add = (timer: { atMs: number; everyMs?: number; task: () => void }): Disposable => {
    timers.add(timer);
    return { [Symbol.dispose]: () => void timers.delete(timer) };
  };
  return {
    now: () => Math.floor(nowMs),
    nowMs: () => nowMs,
    monotonic: () => nowMs - startMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const timer = { atMs: nowMs + ms, task: resolve };
        add(timer);
        signal?.addEventListener("abort", () => {
          timers.delete(timer);
          resolve();
        });
      }),
    every: (ms, task) => add({ atMs: nowMs + ms, everyMs: ms, task }),
    after: (ms, task) => add({ atMs: nowMs + ms, task }),
    advance(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const due = [...timers].sort((one, other) => one.atMs - other.atMs)[0];
        if (due === undefined || due.atMs > untilMs) break;
        nowMs = Math.max(nowMs, due.atMs);
        if (due.everyMs === undefined) timers.delete(due);
        else due.atMs += due.everyMs;
        due.task();
      }
      nowMs = untilMs;
    },
  };
}
