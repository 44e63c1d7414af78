/**
 * The memory engine keeps every promise of the cache's port (the conformance suite), stays within
 * its bytes, and forgets touched keys without ever letting a stale fill pass.
 */
import fc from "fast-check";
import { cacheConformance } from "millrace/conformance";
import { describe, expect, it } from "vitest";
import type { Fence } from "../../src/cache/engine.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";

const hourMs = 3_600_000;
const small = { bytesMax: 1_000_000, clock: handClock() };

cacheConformance(
  { describe, it },
  {
    name: "memory",
    features: { sharing: "each process has its own" },
    async createPlace() {
      const clock = handClock();
      return {
        open: async () => createMemoryCache({ bytesMax: 1_000_000, clock }),
        pass: async (ms) => clock.advance(ms),
        remove: async () => {},
      };
    },
  },
);

it("never holds more bytes than it may, and drops what was used least", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.string({ maxLength: 8 }), length: fc.nat(400) }), {
        minLength: 20,
        maxLength: 100,
      }),
      async (fills) => {
        const cache = createMemoryCache({ bytesMax: 2_000, clock: small.clock });
        for (const { key, length } of fills) {
          await cache.fill(key, "x".repeat(length), (await cache.get(key)).fence as Fence, hourMs);
          let bytes = 0;
          for (const known of new Set(fills.map((fill) => fill.key))) {
            const { value } = await cache.get(known);
            if (value !== undefined) bytes += 2 * (known.length + value.length);
          }
          expect(bytes).toBeLessThanOrEqual(2_000);
        }
      },
    ),
    { numRuns: 30 },
  );
});

it("does not keep a value that is larger than the whole cache, and says so", async () => {
  const cache = createMemoryCache({ bytesMax: 1_000, clock: small.clock });
  const { fence } = await cache.get("key");
  await cache.fill("key", "old", fence as Fence, hourMs);
  expect(await cache.fill("key", "x".repeat(1_000), fence as Fence, hourMs)).toBe(false);
  expect((await cache.get("key")).value).toBeUndefined();
});

it("refuses a stale fill also when it has forgotten that the key was touched", async () => {
  const cache = createMemoryCache(small);
  const { fence: stale } = await cache.get("key");
  await cache.release(["key"], "holder");
  const others = Array.from({ length: limits.tombstonesMax + 1 }, (_, at) => `other:${at}`);
  await cache.release(others, "holder");
  expect(await cache.fill("key", "stale", stale as Fence, hourMs)).toBe(false);
  const { fence } = await cache.get("key");
  expect(await cache.fill("key", "fresh", fence as Fence, hourMs)).toBe(true);
});

it("keeps a blocked key blocked, however many others are touched", async () => {
  const cache = createMemoryCache(small);
  await cache.block(["key"], "holder");
  await cache.release(
    Array.from({ length: limits.tombstonesMax + 1 }, (_, at) => `other:${at}`),
    "other",
  );
  expect(await cache.get("key")).toEqual({ value: undefined, fence: undefined });
});
