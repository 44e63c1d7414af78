/** Proves that ids are UUIDv7, grow in the order in which they are made, and do not repeat. */
import { expect, test } from "vitest";
import { derivedId, idMaker } from "../../src/lib/ids.ts";

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("ids are UUIDv7 and grow, within one millisecond too", () => {
  const makeId = idMaker();
  const ids = Array.from({ length: 20_000 }, makeId);
  for (const id of ids) expect(id).toMatch(uuidv7);
  expect(ids).toEqual([...ids].sort());
  expect(new Set(ids).size).toBe(ids.length);
  // The tail, too, is drawn anew for each.
  expect(new Set(ids.map((id) => id.slice(19))).size).toBe(ids.length);
});

test("two makers make different ids", () => {
  expect(idMaker()().slice(19)).not.toBe(idMaker()().slice(19));
});

test("a derived id follows from its parts alone, and from where they end", () => {
  expect(derivedId(1_700_000_000_000, "a", "b")).toMatch(uuidv7);
  expect(derivedId(1_700_000_000_000, "a", "b")).toBe(derivedId(1_700_000_000_000, "a", "b"));
  expect(derivedId(1_700_000_000_000, "ab", "")).not.toBe(derivedId(1_700_000_000_000, "a", "b"));
});
