/**
 * Order per key and effects once, under any mixture of failures, restarts and rebalancing: events
 * of a few keys, some of which fail a number of times, are handled by instances that come and go.
 */
import fc from "fast-check";
import { on } from "millrace";
import { expect, it } from "vitest";
import { Bench, Counted, type Instance, type Tables } from "./bench.ts";

interface Step {
  readonly kind: "publish" | "restart" | "join" | "leave";
  readonly key: string;
  readonly failures: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant("publish" as const) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("restart" as const, "join" as const, "leave" as const),
    },
  ),
  key: fc.constantFrom("a", "b", "c", "d"),
  failures: fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) },
  ),
});

it("keeps order per key and effects once", { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      await using bench = await Bench.open();
      const failuresLeft = new Map<string, number>();
      const handler = on<typeof Counted, Tables>(Counted, async (event, { db }) => {
        await db
          .insertInto("effects")
          .values({ id: event.id, ...event.data })
          .execute();
        const left = failuresLeft.get(event.id) ?? 0;
        failuresLeft.set(event.id, left - 1);
        if (left > 0) throw new Error("not yet");
      });
      let first = await bench.start([handler], { instance: "1" });
      let second: Instance | undefined;
      const sent = new Map<string, number[]>();
      let last: Awaited<ReturnType<Bench["publish"]>>[] = [];
      for (const [n, { kind, key, failures }] of steps.entries()) {
        if (kind === "publish") {
          const id = `event-${n}`;
          failuresLeft.set(id, failures);
          sent.set(key, [...(sent.get(key) ?? []), n]);
          last = [...last, await bench.publish(key, n, Counted, id)];
        } else if (kind === "restart") {
          await first.worker.stop();
          first = await bench.start([handler], { instance: "1" });
        } else if (kind === "join") {
          second ??= await bench.start([handler], { instance: "2" });
        } else {
          await second?.worker.stop();
          second = undefined;
        }
      }
      for (const receipt of last) {
        expect(await first.worker.standing(receipt, 30_000)).toEqual({ state: "done" });
      }
      const effects = await bench.effects(first);
      for (const [key, numbers] of sent) {
        expect(effects.filter((effect) => effect.key === key).map(({ n }) => n)).toEqual(numbers);
      }
      expect(effects).toHaveLength(last.length);
    }),
    { numRuns: 12, endOnFailure: true },
  );
});
