/** How many standbys a server waits for, by the forms that PostgreSQL documents for the setting. */
import { expect, it } from "vitest";
import { standbysWaitedFor } from "../../src/engines/postgres/durability.ts";

it.each([
  ["", 0],
  ["one", 1],
  ["one, two", 1],
  ["*", 1],
  ["FIRST 2 (one, two, three)", 2],
  ["ANY 1 (*)", 1],
  ["any 3 (a, b, c, d)", 3],
  ["2 (one, two)", 2],
])("%s", (names, count) => expect(standbysWaitedFor(names)).toBe(count));
