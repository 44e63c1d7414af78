/**
 * Proves the benchmark's arithmetic on values whose answers are known: medians, quantiles to within
 * a step of the histogram, ratios within a round, and what counts as a regression.
 */
import { describe, expect, test } from "vitest";
import { Histogram, latencyOf } from "../../bench/measure/histogram.ts";
import { cpuBetween } from "../../bench/measure/processes.ts";
import { median, spread } from "../../bench/measure/statistics.ts";
import { compare, toleranceShare } from "../../bench/report/compare.ts";
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
  const rates = (...values: number[]) => values.map((perSecond) => ({ perSecond }));
  const judged = (found: Parameters<typeof judge>[0], id: string) =>
    judge(found).find(({ bar }) => bar.id === id);

  test("are made within a round, and the median is taken of them", () => {
    const found = { fastify: rates(100, 200, 100), "1a": rates(80, 100, 60) };
    expect(judged(found, "1a")).toMatchObject({ values: [0.8, 0.5, 0.6], value: 0.6 });
    expect(judged(found, "1a")?.holds).toBe(true);
    expect(judged(found, "1c")).toMatchObject({ value: undefined, holds: undefined });
  });

  test("that should be small hold below their bar", () => {
    const found = { "3": [{ "50% effect p99Ms": 16 }], "6": [{ idleCpu: 0.01 }] };
    expect(judged(found, "3-p99")?.holds).toBe(false);
    expect(judged(found, "6-cpu")).toMatchObject({ value: 1, holds: true });
  });

  test("have become worse when they fell by more than the tolerance", () => {
    const before = { found: { fastify: rates(100), "1a": rates(80), "1c": rates(40) } };
    const now = (rate: number) => ({ found: { fastify: rates(50), "1a": rates(rate) } });
    const limit = 40 * (1 - toleranceShare);
    expect(compare(now(limit + 0.1), before)).toMatchObject([{ isWorse: false }]);
    expect(compare(now(limit - 0.1), before)).toMatchObject([{ before: 0.8, isWorse: true }]);
  });
});
