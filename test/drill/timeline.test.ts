/** The figures of a drill follow from what was seen: worked out here by hand. */
import { expect, it } from "vitest";
import { longestGap, longestWait, type Sample, timelineOf } from "../../src/drill/timeline.ts";

const samples: Sample[] = [
  { atMs: 0, accepted: 0, applied: 0 },
  { atMs: 101, accepted: 4, applied: 2 },
  { atMs: 205, accepted: 6, applied: 2 },
  { atMs: 399, accepted: 6, applied: 2 },
  { atMs: 500, accepted: 7, applied: 7 },
  { atMs: 900, accepted: 7, applied: 7 },
];

it("counts what happened in each step, a late look with what it found", () => {
  expect(timelineOf(samples)).toEqual({
    stepMs: 100,
    accepted: [0, 4, 2, 0, 0, 1, 0, 0, 0, 0],
    applied: [0, 2, 0, 0, 0, 5, 0, 0, 0, 0],
  });
});

it("takes for a stall only what waits", () => {
  expect(longestWait(samples)).toBe(399 - 101);
  expect(longestWait([])).toBe(0);
});

it("finds the longest time without a receipt, whatever their order", () => {
  expect(longestGap([900, 100, 150])).toBe(750);
  expect(longestGap([500])).toBe(0);
  expect(longestGap([])).toBe(0);
});
