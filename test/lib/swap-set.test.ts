/** Proves that a `SwapSet` is a set, also while its members are visited. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Placed, SwapSet } from "../../src/lib/swap-set.ts";

interface Member extends Placed {
  readonly name: number;
}

const members = (count: number): Member[] =>
  Array.from({ length: count }, (_, name) => ({ name, place: -1 }));

const contentOf = (set: SwapSet<Member>): number[] => {
  const names: number[] = [];
  set.visit(({ name }) => {
    names.push(name);
  });
  return names.sort((a, b) => a - b);
};

const sorted = (names: Iterable<number>): number[] => [...names].sort((a, b) => a - b);

const nameOf = fc.nat({ max: 9 });
const change = fc.oneof(
  fc.record({ kind: fc.constant("add" as const), name: nameOf }),
  fc.record({ kind: fc.constant("delete" as const), name: nameOf }),
  fc.record({ kind: fc.constant("clear" as const), name: nameOf }),
);

test("it holds what a Set would hold after the same changes", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const all = members(10);
      const set = new SwapSet<Member>();
      const model = new Set<number>();
      for (const { kind, name } of changes) {
        const member = all[name] as Member;
        if (kind === "clear") {
          set.clear();
          model.clear();
        } else {
          set[kind](member);
          model[kind](name);
        }
        expect(contentOf(set)).toEqual(sorted(model));
      }
    }),
  );
});

test("whatever a visit takes out, each that stays is visited, and none that has gone", () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(nameOf), { maxLength: 10 }), (takenBy) => {
      const all = members(10);
      const set = new SwapSet<Member>();
      for (const member of all) set.add(member);
      const visited = new Set<number>();
      const gone = new Set<number>();
      set.visit(({ name }) => {
        expect(gone).not.toContain(name);
        visited.add(name);
        for (const taken of takenBy[name] ?? []) {
          set.delete(all[taken] as Member);
          gone.add(taken);
        }
      });
      const stayed = all.map(({ name }) => name).filter((name) => !gone.has(name));
      expect(contentOf(set)).toEqual(stayed);
      for (const name of stayed) expect(visited).toContain(name);
    }),
  );
});

test("what a visit puts in waits for the next visit", () => {
  const [first, second] = members(2) as [Member, Member];
  const set = new SwapSet<Member>();
  set.add(first);
  const visited: number[] = [];
  set.visit(({ name }) => {
    visited.push(name);
    set.add(second);
  });
  expect(visited).toEqual([0]);
  expect(contentOf(set)).toEqual([0, 1]);
});
