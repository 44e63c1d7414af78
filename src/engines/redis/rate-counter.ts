import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from "rate-limiter-flexible";
import type { Clock } from "../../lib/clock.ts";
import type { RateCounter, RateLimit } from "../../lib/rate-counter.ts";
import { connectRedis } from "./connection.ts";

export interface RedisRateCounterOptions {
  readonly url: string;
  readonly system: string;
  readonly clock: Clock;
  /** What all gateways together allow. */
  readonly limit: RateLimit;
  /** What this one allows while it cannot ask. */
  readonly shareOfRequests: number;
}

/** Counts what reaches any gateway, on Redis; in this one's memory while Redis is gone. */
export async function openRedisRateCounter(
  options: RedisRateCounterOptions,
): Promise<RateCounter & { close(): Promise<void> }> {
  const { url, system, clock, limit, shareOfRequests } = options;
  const connection = await connectRedis(url, clock);
  // As much of the client as the library uses, with our deadline.
  const storeClient = {
    eval: (script: string, { keys, arguments: rest }: { keys: string[]; arguments: string[] }) =>
      connection.ask(["EVAL", script, String(keys.length), ...keys, ...rest]),
  };
  const limiter = new RateLimiterRedis({
    storeClient,
    useRedisPackage: true,
    keyPrefix: `{millrace:${system}}:rate`,
    points: limit.requests,
    duration: limit.windowSeconds,
    insuranceLimiter: new RateLimiterMemory({
      points: shareOfRequests,
      duration: limit.windowSeconds,
    }),
  });
  return {
    async count(key) {
      try {
        const { remainingPoints, msBeforeNext } = await limiter.consume(key);
        return { requests: limit.requests - remainingPoints, msLeft: msBeforeNext };
      } catch (thrown) {
        // The library rejects with its result where the quota, or our share of it, is used up.
        if (!(thrown instanceof RateLimiterRes)) throw thrown;
        return { requests: limit.requests + 1, msLeft: thrown.msBeforeNext };
      }
    },
    close: () => connection.close(),
  };
}
