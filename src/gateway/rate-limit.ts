import { isIPv6 } from "node:net";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { serializeList } from "structured-headers";
import { MillraceError } from "../lib/errors.ts";

/** So many requests in each window, per client, else per address. */
export interface RateLimit {
  readonly requests: number;
  readonly windowSeconds: number;
}

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

/** Counts in this gateway's memory; several gateways each have their share of the quota. */
export function createRateLimiter({ requests, windowSeconds }: RateLimit): RateLimiter {
  const limiter = new RateLimiterMemory({ points: requests, duration: windowSeconds });
  const policy = field({ q: requests, w: windowSeconds });
  return {
    async take(key) {
      let result: RateLimiterRes;
      let isRefused = false;
      try {
        result = await limiter.consume(key);
      } catch (thrown) {
        // The library rejects with its result where the quota is used up.
        if (!(thrown instanceof RateLimiterRes)) throw thrown;
        result = thrown;
        isRefused = true;
      }
      const seconds = Math.max(1, Math.ceil(result.msBeforeNext / 1_000));
      const state = field({ r: Math.max(0, result.remainingPoints), t: seconds });
      return { policy, state, refusal: isRefused ? usedUp(seconds) : undefined };
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
