/**
 * The sampler bounds how many traces are recorded, and never starves a quiet system: properties
 * over random arrivals on a clock turned by hand, with the bound computed a second way.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSampler, tokenBucket } from "../../src/tracing/sampler.ts";
import { handClock } from "../support/hand-clock.ts";

const arrivals = fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 200 });
const rates = fc.integer({ min: 1, max: 50 });

function grantTimes(perSecond: number, gapsMs: readonly number[]): number[] {
  const clock = handClock();
  const take = tokenBucket(perSecond, clock);
  return gapsMs.flatMap((gapMs) => {
    clock.advance(gapMs);
    return take() ? [clock.monotonic()] : [];
  });
}

describe("the token bucket", () => {
  test("grants in no window more than its burst and what the window refills", () => {
    fc.assert(
      fc.property(rates, arrivals, (perSecond, gapsMs) => {
        const granted = grantTimes(perSecond, gapsMs);
        for (const [first, from] of granted.entries()) {
          for (const [last, until] of granted.entries()) {
            if (last < first) continue;
            const most = perSecond + ((until - from) / 1_000) * perSecond;
            expect(last - first + 1).toBeLessThanOrEqual(most + 1e-6);
          }
        }
      }),
    );
  });

  test("always grants what comes no faster than its rate", () => {
    fc.assert(
      fc.property(rates, arrivals, (perSecond, gapsMs) => {
        const slow = gapsMs.map((gapMs) => gapMs + Math.ceil(1_000 / perSecond));
        expect(grantTimes(perSecond, slow)).toHaveLength(slow.length);
      }),
    );
  });

  test("grants its whole burst at once after a quiet second", () => {
    fc.assert(
      fc.property(rates, (perSecond) => {
        const atOnce = (count: number) => Array.from({ length: count }, () => 0);
        const gapsMs = [...atOnce(perSecond * 2), 1_000, ...atOnce(perSecond * 2)];
        expect(grantTimes(perSecond, gapsMs)).toHaveLength(perSecond * 2);
      }),
    );
  });
});

test("traces that come in take nothing from those that begin, and are bounded by themselves", () => {
  const clock = handClock();
  const sampler = createSampler({ clock, begunPerSecondMax: 2, continuedPerSecondMax: 3 });
  const asked = Array.from({ length: 10 });
  expect(asked.filter(() => sampler.continues())).toHaveLength(3);
  expect(asked.filter(() => sampler.begins())).toHaveLength(2);
});
