import { isIPv6 } from "node:net";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { serializeList } from "structured-headers";
import { MillraceError } from "../lib/errors.ts";
import type { RateCounter, RateLimit } from "../lib/rate-counter.ts";

/** What is left, as the RateLimit fields tell it (draft-ietf-httpapi-ratelimit-headers-10). */
export interface Quota {
  readonly policy: string;
  readonly state: string;
  /** Set where the quota is used up. */
  readonly refusal: MillraceError | undefined;
}

const policyName = "default";

export interface RateLimiter {
  take(key: string): Promise<Quota>;
}

/** What counts is this gateway's memory, with its share of the quota, or what all share. */
export function createRateLimiter(
  limit: RateLimit,
  counter: RateCounter = memoryCounter(limit),
): RateLimiter {
  const policy = field({ q: limit.requests, w: limit.windowSeconds });
  return {
    async take(key) {
      const { requests, msLeft } = await counter.count(key);
      const seconds = Math.max(1, Math.ceil(msLeft / 1_000));
      const state = field({ r: Math.max(0, limit.requests - requests), t: seconds });
      const isRefused = requests > limit.requests;
      return { policy, state, refusal: isRefused ? usedUp(seconds) : undefined };
    },
  };
}

function memoryCounter({ requests, windowSeconds }: RateLimit): RateCounter {
  const limiter = new RateLimiterMemory({ points: requests, duration: windowSeconds });
  return {
    async count(key) {
      const { consumedPoints, msBeforeNext } = await limiter.consume(key).catch((thrown) => {
        // The library rejects with its result where the quota is used up.
        if (thrown instanceof RateLimiterRes) return thrown;
        throw thrown;
      });
      return { requests: consumedPoints, msLeft: msBeforeNext };
    },
  };
}

const field = (parameters: Readonly<Record<string, number>>): string =>
  serializeList([[policyName, new Map(Object.entries(parameters))]]);

const usedUp = (seconds: number): MillraceError =>
  new MillraceError("MR_RATE_LIMITED", `The quota is used up for ${seconds} s.`, {
    retryAfterSeconds: seconds,
    extra: { "violated-policies": [policyName] },
  });

/**
 * Addresses that one client can change at will count as one: a /64 of IPv6. An IPv4 address stays
 * itself, also where it comes mapped into IPv6.
 */
export function addressGroup(address: string): string {
  const plain = address.replace(/%.*$/, "");
  const mapped = /^::ffff:([0-9.]+)$/i.exec(plain);
  if (mapped !== null) return mapped[1] ?? plain;
  if (!isIPv6(plain)) return plain;
  // URL writes an address in its one canonical form.
  const [head = "", tail] = new URL(`http://[${plain}]/`).hostname.slice(1, -1).split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...new Array<string>(zeros).fill("0"), ...last];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
