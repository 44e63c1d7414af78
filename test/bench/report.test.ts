/**
 * Proves how a run is told: tables, marks in a page, plots that are well-formed, and options that
 * are refused in words.
 */
import { describe, expect, test } from "vitest";
import { readOptions } from "../../bench/options.ts";
import { fillMarks } from "../../bench/report/docs.ts";
import { barPlot } from "../../bench/report/plots.ts";
import { cpuRows, number, rateRows, ratioRows, table } from "../../bench/report/table.ts";

const figures = {
  perSecond: 20_000,
  ofCeiling: 0.5,
  cpuUs: 50,
  "cpuUs gateway": 30,
  "cpuUs worker a": 20,
};
const run = { found: { fastify: [{ perSecond: 40_000, cpuUs: 25 }], "1a": [figures] } };

describe("tables", () => {
  test("have numbers to the right, as text and as Markdown", () => {
    const rows = [
      ["a", "b"],
      ["long", "1"],
    ];
    expect(table(rows, "text")).toBe("a     b\nlong  1");
    expect(table(rows, "markdown")).toBe("| a    |  b |\n| ---- | -: |\n| long |  1 |");
  });

  test("tell what was found, and what was not", () => {
    const text = table(ratioRows(run), "text");
    expect(text).toMatch(/1a ÷ bare Fastify +≥ 0.50, aim 0.80 +0.50 .* holds/);
    expect(text).toMatch(/8 replay ÷ 1a .* not measured/);
    expect(ratioRows(run, false)).toHaveLength(2);
    expect(rateRows(run, new Map([["1a", "light"]]))).toContainEqual(
      expect.arrayContaining(["1a: light", "20,000", "50.0"]),
    );
    expect(cpuRows(run)).toEqual([
      ["CPU µs an event", "gateway", "worker a"],
      ["1a", "30.0", "20.0"],
    ]);
  });

  test("round numbers to what they can say", () => {
    expect([1_234_567, 123.4, 12.34, 1.234, undefined].map(number)).toEqual([
      "1,234,567",
      "123",
      "12.3",
      "1.23",
      "–",
    ]);
  });
});

test("a page keeps everything outside of its marks", () => {
  const page = "a\n<!-- bench:x -->\nold\n<!-- /bench -->\nb\n<!-- bench:y -->\n<!-- /bench -->\n";
  const filled = fillMarks(page, { x: "new" });
  expect(filled).toBe(page.replace("old\n", "\nnew\n\n"));
  expect(fillMarks(filled, { x: "new" })).toBe(filled);
});

test("a plot is one SVG that escapes what it is given", () => {
  const parts = [{ name: "gateway", value: 3 }];
  const svg = barPlot("a < b", "µs", [{ label: "R&D", parts, isOurs: true }]);
  expect(svg).toMatch(/^<svg [^>]+>[\s\S]*<\/svg>\n$/);
  expect(svg).toContain("a &#60; b");
  expect(svg).toContain("R&#38;D");
  expect(svg).toContain("prefers-color-scheme: dark");
});

describe("options", () => {
  test("choose how long and what", () => {
    const options = readOptions(["--quick", "--only", "1a, 1b", "--rounds", "2"]);
    expect(options).toMatchObject({ only: ["1a", "1b"], pace: { name: "quick", rounds: 2 } });
    expect(readOptions([]).pace.rounds).toBeGreaterThanOrEqual(3);
  });

  test("that cannot be are refused", () => {
    expect(() => readOptions(["--rounds", "x"])).toThrow("--rounds takes a whole number");
    expect(() => readOptions(["--fast"])).toThrow("--fast");
  });
});
