/** The checker finds what it is there to find. */
import { expect, it } from "vitest";
import { check, type Effect, type Published, violations } from "../../src/drill/checker.ts";

const published: Published[] = [1, 2, 3, 4].map((n) => ({
  key: "a",
  n,
  id: n === 4 ? undefined : `id-${n}`,
}));
const effects = (...numbers: number[]): Effect[] => numbers.map((n) => ({ key: "a", n }));

it("finds nothing where nothing is wrong", () => {
  const verdict = check(published, effects(1, 2, 3));
  expect(violations(verdict)).toEqual([]);
  expect(verdict).toMatchObject({ attempted: 4, accepted: 3, effects: 3, recovered: 0 });
});

it("allows an event whose request was never answered, once", () => {
  expect(check(published, effects(1, 2, 3, 4))).toMatchObject({ recovered: 1 });
  expect(violations(check(published, effects(1, 2, 3, 4)))).toEqual([]);
});

it("takes what is parked or dead for what it is", () => {
  const kept = { parked: effects(2), dead: effects(3) };
  expect(violations(check(published, effects(1), kept))).toEqual([]);
});

it.each([
  ["a lost event", effects(1, 3), ["1 lost: a-2"]],
  ["a doubled effect", effects(1, 2, 2, 3), ["1 doubled: a-2"]],
  ["an invented one", effects(1, 2, 3, 9), ["1 invented: a-9"]],
  ["a wrong order", effects(2, 1, 3), ["1 out of order: a-1"]],
])("finds %s", (_what, found, expected) => {
  expect(violations(check(published, found))).toEqual(expected);
});
