import type { Clock } from "../lib/clock.ts";
import { isMillraceError } from "../lib/errors.ts";

export interface Patience {
  readonly clock: Clock;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

const pauseMs = 200;

/**
 * Does something again while a server cannot be reached: one that is busy, or elects a leader, is
 * no difference between engines. Only for what can be done twice.
 */
export async function patiently<Result>(
  { clock, patienceMs, signal }: Patience,
  work: () => Promise<Result>,
): Promise<Result> {
  const deadline = clock.monotonic() + patienceMs;
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      if (!isUnreachable(thrown) || clock.monotonic() > deadline) throw thrown;
      signal.throwIfAborted();
      await clock.sleep(pauseMs, signal);
    }
  }
}

const isUnreachable = (thrown: unknown): boolean =>
  isMillraceError(thrown, "MR_DATABASE_UNAVAILABLE") ||
  isMillraceError(thrown, "MR_QUEUE_UNAVAILABLE");
