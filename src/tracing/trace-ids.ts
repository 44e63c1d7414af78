import type { Random } from "../lib/random.ts";

export interface TraceIds {
  /** 32 hex digits, not all zero. */
  traceId(): string;
  /** 16 hex digits, not all zero. */
  spanId(): string;
}

/**
 * How much randomness is drawn at once: every request takes ids, sampled or not, so they are cheap.
 */
const drawnBytes = 4_096;

/** Random ids as W3C Trace Context wants them. */
export function traceIds(random: Random): TraceIds {
  let digits = "";
  let taken = 0;
  const take = (length: number): string => {
    if (taken + length > digits.length) {
      digits = random.bytes(drawnBytes).toString("hex");
      taken = 0;
    }
    const id = digits.slice(taken, taken + length);
    taken += length;
    return /[^0]/.test(id) ? id : `${id.slice(1)}1`;
  };
  return { traceId: () => take(32), spanId: () => take(16) };
}
