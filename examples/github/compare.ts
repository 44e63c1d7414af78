import type { Effects } from "./effects.ts";
import type { Expectation } from "./expectation.ts";

/** Every difference between what must be and what is, one sentence each. */
export const compare = (expected: Expectation, effects: Effects): string[] => [
  ...compareLists("feed", expected.feeds, effects.feeds),
  ...compareLists("inbox", expected.inboxes, effects.inboxes),
];

function* compareLists(
  kind: string,
  expected: ReadonlyMap<string, ReadonlySet<string>>,
  found: ReadonlyMap<string, readonly string[]>,
): Generator<string> {
  for (const name of new Set([...expected.keys(), ...found.keys()])) {
    const wanted = expected.get(name) ?? new Set();
    const seen = new Set<string>();
    for (const id of found.get(name) ?? []) {
      if (!wanted.has(id)) yield `invented: ${id} stands in the ${kind} of ${name}`;
      if (seen.has(id)) yield `twice: ${id} stands in the ${kind} of ${name}`;
      seen.add(id);
    }
    for (const id of wanted) {
      if (!seen.has(id)) yield `lost: ${id} is not in the ${kind} of ${name}`;
    }
  }
}
