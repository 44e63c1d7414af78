/**
 * Proves the benchmark's arithmetic on values whose answers are known: medians, quantiles to within
 * a step of the histogram, ratios within a round, turns with the ceiling, and what counts as worse.
 */
import { describe, expect, test } from "vitest";
import { Ceiling } from "../../bench/measure/ceiling.ts";
import { Histogram, latencyOf } from "../../bench/measure/histogram.ts";
import { cpuBetween } from "../../bench/measure/processes.ts";
import { median, spread } from "../../bench/measure/statistics.ts";
import { compare, measureDoubtful, toleranceShare } from "../../bench/report/compare.ts";
import { judge } from "../../bench/report/ratios.ts";

describe("statistics", () => {
  test("the median is the middle one, or lies between the middle two", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test("the spread is a share of the median", () => {
    expect(spread([90, 100, 110])).toBeCloseTo(0.2);
    expect(spread([5])).toBe(0);
  });
});

describe("the histogram", () => {
  test("tells quantiles to within 1.6%, and the maximum exactly", () => {
    const histogram = new Histogram();
    for (let us = 1; us <= 100_000; us++) histogram.add(us);
    for (const share of [0.001, 0.5, 0.99, 0.999]) {
      const exact = 100_000 * share;
      const found = histogram.quantileUs(share);
      expect(found).toBeGreaterThanOrEqual(exact);
      expect(found).toBeLessThanOrEqual(exact * 1.016 + 1);
    }
    expect(histogram.quantileUs(1)).toBe(100_000);
    expect(latencyOf(histogram)).toMatchObject({ count: 100_000, max: 100 });
  });

  test("survives JSON, and can be put together", () => {
    const [one, other] = [new Histogram(), new Histogram()];
    one.add(10);
    other.add(1_000_000);
    const read = new Histogram(JSON.parse(JSON.stringify(one)));
    read.merge(other);
    expect(read.count).toBe(2);
    expect(read.quantileUs(0.5)).toBe(10);
    expect(read.maxUs).toBe(1_000_000);
  });
});

test("processor time is told by name, of processes that are new as well", () => {
  const usage = (pid: number, name: string, cpuUs: number) => ({
    pid,
    name,
    cpuUs,
    residentBytes: 0,
  });
  const used = cpuBetween(
    [usage(1, "gateway", 100), usage(2, "gateway", 50)],
    [usage(1, "gateway", 130), usage(2, "gateway", 60), usage(3, "worker a", 7)],
  );
  expect(Object.fromEntries(used)).toEqual({ gateway: 40, "worker a": 7 });
});

describe("ratios", () => {
  const shares = (...values: number[]) =>
    values.map((share) => ({ ofCeiling: share, ofMachine: share }));
  const judged = (found: Parameters<typeof judge>[0], id: string) =>
    judge(found).find(({ bar }) => bar.id === id);

  test("are made within a round, and the median is taken of them", () => {
    const found = { "1a": shares(0.4, 0.5, 0.6), "1b": shares(0.2, 0.4, 0.3) };
    expect(judged(found, "1b")).toMatchObject({ values: [0.5, 0.8, 0.5], value: 0.5 });
    expect(judged(found, "1a")).toMatchObject({ value: 0.5, holds: true });
    expect(judged(found, "1c")).toMatchObject({ value: undefined, holds: undefined });
  });

  test("that should be small hold below their bar", () => {
    const found = { "3": [{ "50% effect p99Ms": 16 }], "6": [{ idleCpu: 0.01 }] };
    expect(judged(found, "3-p99")?.holds).toBe(false);
    expect(judged(found, "6-cpu")).toMatchObject({ value: 1, holds: true });
  });
});

describe("a comparison", () => {
  const run = (found: Readonly<Record<string, readonly number[]>>) => ({
    found: Object.fromEntries(
      Object.entries(found).map(([id, values]) => [id, values.map((ofMachine) => ({ ofMachine }))]),
    ),
  });
  const before = run({ "1a": [0.8], "1b": [0.4], "1c": [0.4] });
  const limit = 0.8 * (1 - toleranceShare);

  test("calls worse what fell by more than the tolerance, and leaves out what is not in both", () => {
    expect(compare(run({ "1a": [limit + 0.01] }), before)).toMatchObject([{ isWorse: false }]);
    expect(compare(run({ "1a": [limit - 0.01] }), before)).toMatchObject([
      { before: 0.8, isWorse: true, scenario: "1a" },
    ]);
    expect(compare(run({ "2a": [1] }), before)).toEqual([]);
    const peers = run({ bullmq: [1] });
    expect(compare(peers, peers)).toEqual([]);
  });

  /** What a machine would find if one looked again, and what was looked at. */
  const looking = (...values: number[]) => {
    const asked: string[][] = [];
    const again = async ({ found }: ReturnType<typeof run>, ids: ReadonlySet<string>) => {
      asked.push([...ids]);
      const more = values.shift() ?? Number.NaN;
      const added = [...ids].map((id) => [id, [...(found[id] ?? []), { ofMachine: more }]]);
      return { found: { ...found, ...Object.fromEntries(added) } };
    };
    return { asked, again };
  };
  const isWorse = (found: ReturnType<typeof run>) =>
    compare(found, before).map((change) => change.isWorse);

  test("looks again at what seems to be worse, and believes the median", async () => {
    const slow = looking(0.8);
    const found = await measureDoubtful(run({ "1a": [0.5], "1c": [0.4] }), before, slow.again);
    expect(slow.asked).toEqual([["1a"]]);
    expect(isWorse(found)).toEqual([false, false]);

    const worse = looking(0.9, 0.5);
    const measured = await measureDoubtful(run({ "1a": [0.2] }), before, worse.again);
    expect(worse.asked).toHaveLength(2);
    expect(isWorse(measured)).toEqual([true]);
  });

  test("looks at nothing again that is as before", async () => {
    const calm = looking();
    await measureDoubtful(run({ "1a": [0.8] }), before, calm.again);
    expect(calm.asked).toEqual([]);
  });

  test("tells several figures of a scenario apart", () => {
    const queries = { found: { "4": [{ "hit ofMachine": 0.4, "miss ofMachine": 0.2, loads: 1 }] } };
    expect(compare(queries, queries).map(({ what }) => what)).toEqual(["4 hit", "4 miss"]);
  });
});

test("the ceiling takes turns with what is measured, and tells the mean of its looks", async () => {
  const order: string[] = [];
  class Known extends Ceiling {
    readonly #looks = [100, 200, 600];
    override async look() {
      order.push("look");
      const ceiling = this.#looks.shift() ?? Number.NaN;
      return { ceiling, machine: 2 * ceiling };
    }
  }
  const measured = await new Known().beside(2, async () => order.push("turn"));
  expect(order).toEqual(["look", "turn", "look", "turn", "look"]);
  expect(measured).toEqual({ turns: [2, 4], ceiling: 300, machine: 600 });
});
