/**
 * A trace as people read it: rows in the order of cause whatever the order of the spans, nothing
 * made up, waiting told from work without colour, and never wider than the terminal. The reference
 * trace of thirteen hops is made by hand; properties shuffle it and take spans away.
 */
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SpanRecord } from "../../src/tracing/span-store.ts";
import { waterfallOf } from "../../src/tracing/waterfall.ts";
import { type WaterfallTextOptions, waterfallText } from "../../src/tracing/waterfall-text.ts";
import { hopSpan, mentionId, postId, thirteenHops, thirteenNames } from "./reference-trace.ts";
import { spanRecord } from "./span-records.ts";

const waterfall = (spans: readonly SpanRecord[]) => {
  const made = waterfallOf(spans);
  if (made === undefined) throw new Error("there are spans");
  return made;
};
const namesOf = (spans: readonly SpanRecord[]) =>
  waterfall(spans).hops.map(({ hop, name }) => `${hop} ${name}`);
const textOf = (spans: readonly SpanRecord[], options?: WaterfallTextOptions) =>
  waterfallText(waterfall(spans), options);

describe("the rows", () => {
  test("are the thirteen hops of the reference request, whatever the order of the spans", () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...thirteenHops], { minLength: thirteenHops.length }),
        (spans) => {
          expect(namesOf(spans)).toEqual(thirteenNames);
        },
      ),
    );
  });

  test("are those that were recorded, in the same order, where others are missing", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...thirteenHops], { minLength: 1 }), (spans) => {
        const numbers = waterfall(spans).hops.map(({ hop }) => hop ?? 0);
        const kept = thirteenHops.filter((span) => spans.includes(span));
        expect(numbers.toSorted((a, b) => a - b)).toEqual(kept.map(({ hop }) => hop));
        expect(new Set(numbers).size).toBe(spans.length);
      }),
    );
  });

  test("keep a worker's hops together, and put what it caused before the next worker's", () => {
    const atNotifications = { box: "n 1", worker: "notifications", event: postId };
    const fanOut = [
      hopSpan({
        ...atNotifications,
        id: "25",
        parent: "3",
        step: "message queue → worker",
        from: 2.6,
        until: 3,
      }),
      hopSpan({
        ...atNotifications,
        id: "27",
        parent: "25",
        step: "worker → database",
        from: 3,
        until: 4,
      }),
    ];
    expect(namesOf([...fanOut, ...thirteenHops])).toEqual([
      ...thirteenNames,
      "5 message queue → worker B",
      "7 worker B → database B",
    ]);
  });

  test("put each follow-up's hops together", () => {
    const next = "0199aaaa-0000-7000-8000-000000000003";
    const second = thirteenHops
      .filter(({ eventId }) => eventId === mentionId)
      .map((span) => ({
        ...span,
        eventId: next,
        spanId: span.spanId.replace(/^0/, "f"),
        parentSpanId: span.parentSpanId?.replace(/^0(0+[abcd])$/, "f$1"),
        startUs: span.startUs + 100,
      }));
    const events = waterfall([...second, ...thirteenHops]).hops.map(({ hop, eventId }) => [
      hop,
      eventId,
    ]);
    expect(events.slice(8)).toEqual([
      [9, mentionId],
      [9, next],
      ...[10, 11, 12, 13].map((hop) => [hop, mentionId]),
      ...[10, 11, 12, 13].map((hop) => [hop, next]),
    ]);
  });

  test("tell apart two requests of one trace", () => {
    const again = thirteenHops.slice(0, 4).map((span) => ({
      ...span,
      spanId: span.spanId.replace(/^0/, "f"),
      parentSpanId: span.parentSpanId?.replace(/^0/, "f"),
      startUs: span.startUs + 50_000,
    }));
    const numbers = waterfall([...again, ...thirteenHops]).hops.map(({ hop }) => hop);
    expect(numbers).toEqual([...thirteenHops.map(({ hop }) => hop), 1, 2, 3, 4]);
  });

  test("leave out nothing where parents point at each other", () => {
    const one = spanRecord({ spanId: "a".repeat(16), parentSpanId: "b".repeat(16) });
    const other = spanRecord({ spanId: "b".repeat(16), parentSpanId: "a".repeat(16), worker: "w" });
    expect(waterfall([one, other]).hops).toHaveLength(2);
  });

  test("give times from the beginning of the trace, in milliseconds", () => {
    const made = waterfall(thirteenHops);
    expect(made).toMatchObject({ startedAt: "2023-11-14T22:13:20.000Z", durationMs: 12.4 });
    expect(made.hops[4]).toMatchObject({
      hop: 5,
      box: "worker timelines 1",
      worker: "timelines",
      eventId: postId,
      startMs: 2.5,
      durationMs: 3,
      waitMs: 3,
      error: null,
    });
    expect(JSON.parse(JSON.stringify(made))).toEqual(made);
  });

  test("are none where there are no spans", () => expect(waterfallOf([])).toBeUndefined());
});

describe("the text", () => {
  test("of the reference request fits 80 columns", () => {
    expect(textOf(thirteenHops)).toMatchInlineSnapshot(`
      "trace 0af7651916cd43dd8448eb211c80319c
      13 hops in 12.4 ms, of which waiting 4.50 ms

       # hop                            where              start     time
       1 user → load balancer           balancer         0.00 ms  3.20 ms ████
       2 load balancer → API gateway    balancer         0.20 ms  2.90 ms ███
       3 API gateway → event producer   gateway 1        0.60 ms  2.20 ms ███
       4 event producer → message queue gateway 1        0.90 ms  1.80 ms ░██
       5 message queue → worker A       timelines 1      2.50 ms  3.00 ms   ░░░░
       6 worker A → cache A (look up)   timelines 1      5.60 ms  0.10 ms      █
       7 worker A → database A          timelines 1      5.50 ms  2.00 ms      ███
       8 worker A → cache A (refresh)   timelines 1      7.50 ms  0.10 ms        █
       9 worker A → message queue       timelines 1      7.60 ms  1.40 ms        ██
      10 message queue → worker B       notifications 1  8.80 ms  1.00 ms         ░░
      11 worker B → cache B (look up)   notifications 1  9.80 ms  0.10 ms          █
      12 worker B → database B          notifications 1  9.80 ms  2.20 ms          ███
      13 worker B → cache B (refresh)   notifications 1  12.0 ms  0.40 ms            █

      █ work   ░ waiting"
    `);
  });

  test("has the same signs without colour, and other characters only in ASCII", () => {
    const colored = textOf(thirteenHops, { color: true });
    expect(colored).not.toBe(stripVTControlCharacters(colored));
    expect(stripVTControlCharacters(colored)).toBe(textOf(thirteenHops));
    const ascii = textOf(thirteenHops, { ascii: true });
    expect(ascii).toMatch(/^[\x20-\x7e\n]+$/);
    expect(ascii.replace(/[#.]/g, "")).toContain("5 message queue -> worker A");
    expect(ascii).toMatch(/worker A .* \.+$/m);
  });

  test("is never wider than the terminal, and every row has a bar", () => {
    const long = thirteenHops.map((span) => ({
      ...span,
      box: `worker ${"very-long-name".repeat(5)} 1`,
      worker: undefined,
    }));
    const widths = fc.integer({ min: 80, max: 300 });
    fc.assert(
      fc.property(widths, fc.boolean(), fc.boolean(), (columns, ascii, useLong) => {
        const text = textOf(useLong ? long : thirteenHops, { columns, ascii });
        const lines = text.split("\n");
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
        for (const line of lines.slice(4, 4 + 13)) expect(line).toMatch(/[█░#.]$/);
      }),
    );
  });

  test("names a worker where one process runs them all", () => {
    const inOne = thirteenHops.map((span) => ({ ...span, box: "dev" }));
    expect(textOf(inOne)).toMatch(/worker A → database A +timelines/);
  });

  test("tells failures by name, and lets no control character through", () => {
    const [hop] = thirteenHops;
    if (hop === undefined) throw new Error("there is one");
    const text = textOf([{ ...hop, error: "Bad\u001b[31mName\nforged row" }]);
    expect(text).toContain("failed: Bad?[31mName?forged row");
  });

  test("writes times with three figures and a unit", () => {
    const times = [0, 0.004, 0.42, 9.99, 12.34, 99.96, 512, 999.6, 61_500, 3_600_000];
    const spans = times.map((until, index) =>
      hopSpan({ id: `${index}`, step: "worker → database", box: "b", from: 0, until }),
    );
    const shown = waterfall(spans).hops.map((row) => {
      const line = waterfallText({ ...waterfall(spans), hops: [row] }).split("\n")[4] ?? "";
      return /0\.00 ms +(\S+ \w+) /.exec(line)?.[1];
    });
    const expected = ["0.00 ms", "0.00 ms", "0.42 ms", "9.99 ms", "12.3 ms", "100 ms", "512 ms"];
    expect(shown).toEqual([...expected, "1.00 s", "61.5 s", "3600 s"]);
  });
});
