/** Who is alone has nobody beside it, whoever was there before or comes meanwhile. */
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Solitude } from "../../src/worker/solitude.ts";

it("lets any number go among others, and one alone", async () => {
  const steps = fc.array(fc.record({ isAlone: fc.boolean(), turns: fc.nat({ max: 3 }) }), {
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(
      steps,
      fc.array(fc.nat({ max: 2 }), { maxLength: 20 }),
      async (all, pauses) => {
        const solitude = new Solitude();
        const underWay = { alone: 0, others: 0 };
        const works = all.map(async ({ isAlone, turns }, at) => {
          for (let pause = pauses[at] ?? 0; pause > 0; pause--) await setImmediate();
          const kind = isAlone ? "alone" : "others";
          const work = async () => {
            underWay[kind] += 1;
            for (let turn = 0; turn < turns; turn++) await setImmediate();
            const { alone, others } = underWay;
            expect(alone === 0 || (alone === 1 && others === 0)).toBe(true);
            underWay[kind] -= 1;
            return at;
          };
          return await (isAlone ? solitude.alone(work) : solitude.among(work));
        });
        expect(await Promise.all(works)).toEqual(all.map((_, at) => at));
      },
    ),
  );
});

it("goes on after work that failed", async () => {
  const solitude = new Solitude();
  const fails = () => Promise.reject(new Error("no"));
  await expect(solitude.alone(fails)).rejects.toThrow("no");
  await expect(solitude.among(fails)).rejects.toThrow("no");
  expect(await solitude.alone(async () => 1)).toBe(1);
});
