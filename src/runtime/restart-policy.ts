import { limits } from "../lib/limits.ts";

/** How often a process has ended shortly after it began. Plain data: the clock is the caller's. */
export interface RestartHistory {
  readonly failures: number;
}

export const noFailures: RestartHistory = { failures: 0 };

export interface Restart {
  readonly delayMs: number;
  readonly history: RestartHistory;
}

/**
 * When to begin a process again that has ended by itself after `ranMs`: at once but for a moment
 * the first time, later and later while it keeps ending, and at once again after it ran well for a
 * while.
 */
export function nextRestart(history: RestartHistory, ranMs: number): Restart {
  const failures = ranMs >= limits.restartForgottenMs ? 0 : history.failures;
  // The exponent is capped because 2 ** 1024 is Infinity, long after the delay has stopped growing.
  const grown = limits.restartDelayBaseMs * 2 ** Math.min(failures, 30);
  return {
    delayMs: Math.min(grown, limits.restartDelayMaxMs),
    history: { failures: failures + 1 },
  };
}
