/**
 * Any interleaving of success, failure, death, sleep beyond a lease, repeat, rebalance, pause,
 * skip, edit, retry and discard keeps order per key, and effects and follow-ups once. Real engines
 * in one process, on a clock that is turned by hand: nothing happens between two turns, so a seed
 * repeats a run, and a failure is shrunk to its shortest form.
 */
import fc from "fast-check";
import type { WhenDead } from "millrace";
import { expect, it } from "vitest";
import { DeliveryRun, isOverNetwork, type Step } from "./delivery-run.ts";

const runsDefault = isOverNetwork() ? 8 : 150;

const key = fc.constantFrom("a", "b");
const pick = fc.nat({ max: 20 });
const of = <One extends string | number>(...ones: One[]) => fc.constantFrom(...ones);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: of("publish"),
      key,
      isOther: fc.boolean(),
      fate: fc.oneof(
        { weight: 2, arbitrary: of("well") },
        { weight: 1, arbitrary: of("once", "always", "reject") },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: of("skip"), key }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: of("duplicate", "forgotten", "edit", "retry", "discard"), pick }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: of("die"),
      transaction: fc.nat({ max: 8 }),
      side: of("before", "inside", "behind"),
      pick,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: of("join", "leave", "freeze", "thaw", "pause", "resume", "settle"),
      pick,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: of("turn"), ms: of(1, 50, 1_000, 4_000) }) },
);

/** Whoever is frozen must not go on saying that it lives: nobody took over its partitions. */
const frozenBeforeItHandles: Step[] = [
  { kind: "publish", key: "a", isOther: false, fate: "well" },
  { kind: "join", pick: 0 },
  { kind: "freeze", pick: 0 },
  { kind: "settle", pick: 0 },
];

it("keeps order per key and effects once", { timeout: 240_000 }, async () => {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 10, maxLength: 60, size: "max" }),
    of<WhenDead>("continue", "hold"),
    fc.nat(),
    async (steps, whenDead, seed) => {
      await using run = await DeliveryRun.begin(whenDead, seed);
      for (const one of steps) await run.take(one);
      expect(await run.end()).toEqual([]);
    },
  );
  await fc.assert(property, {
    numRuns: Number(process.env.MILLRACE_RUNS ?? runsDefault),
    // Then it tells the shortest failure that it has found by then.
    interruptAfterTimeLimit: 180_000,
    examples: [[frozenBeforeItHandles, "continue", 0]],
  });
});
