import { type Clock, systemClock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";

/** Decides which traces are recorded. Asked once where a trace begins or comes in. */
export interface Sampler {
  /** A trace begins here: is it recorded? */
  begins(): boolean;
  /** A trace comes in that was sampled elsewhere: does this process go on recording it? */
  continues(): boolean;
}

export interface SamplerOptions {
  readonly clock?: Clock;
  readonly begunPerSecondMax?: number;
  /**
   * Bounds what others can make this process record. The box that strangers reach first may have it
   * as low as `begunPerSecondMax`; further in it is high, so that no trace is cut off half-way.
   */
  readonly continuedPerSecondMax?: number;
}

export function createSampler(options: SamplerOptions = {}): Sampler {
  const clock = options.clock ?? systemClock;
  const begun = tokenBucket(options.begunPerSecondMax ?? limits.tracesPerSecondMax, clock);
  const continued = tokenBucket(
    options.continuedPerSecondMax ?? limits.tracesContinuedPerSecondMax,
    clock,
  );
  return { begins: begun, continues: continued };
}

/** Records everything that comes; for tests and for demonstrations of a single request. */
export const sampleAll: Sampler = { begins: () => true, continues: () => true };

/**
 * Grants at most `perSecond` within any second on average, and as many at once after a quiet
 * second: the first requests of an idle system are always traced.
 */
export function tokenBucket(perSecond: number, clock: Pick<Clock, "monotonic">): () => boolean {
  let tokens = perSecond;
  let filledAt = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    tokens = Math.min(perSecond, tokens + ((now - filledAt) / 1_000) * perSecond);
    filledAt = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}
