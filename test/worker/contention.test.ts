/**
 * An instance whose transactions others undo runs alone after so many times, for more and more
 * batches where that goes on, and beside others again once it has ended; a batch that is undone
 * even then is given up, as a broken dependency is.
 */
import { expect, it } from "vitest";
import { limits } from "../../src/lib/limits.ts";
import { Contention } from "../../src/worker/contention.ts";

/** One batch among so many others that it is undone whenever it runs beside them. */
function batch(contention: Contention): number {
  let runs = 1;
  for (contention.begin(); !contention.isAlone; runs++) expect(contention.repeats()).toBe(true);
  contention.committed();
  return runs;
}

it("lets a batch run so often at most, the last time alone", () => {
  expect(batch(new Contention())).toBe(limits.conflictsMax + 1);
});

it("stays alone for longer, the longer others stand in its way, up to a limit", () => {
  const contention = new Contention();
  const runs = Array.from({ length: 1_000 }, () => batch(contention));
  const contended = runs.flatMap((times, at) => (times > 1 ? [at] : []));
  expect(contended.slice(0, 5)).toEqual([0, 1, 3, 7, 15]);
  const [last = 0, before = 0] = contended.toReversed();
  expect(last - before).toBe(limits.aloneBatchesMax);
});

it("is as before once others are out of its way", () => {
  const contention = new Contention();
  for (let at = 0; at < 100; at++) batch(contention);
  while (contention.isAlone) contention.committed();
  for (let at = 0; at < 10; at++) {
    contention.begin();
    contention.committed();
  }
  expect([batch(contention), batch(contention)]).toEqual(Array(2).fill(limits.conflictsMax + 1));
});

it("gives up where even a batch that runs alone is undone", () => {
  const contention = new Contention();
  contention.begin();
  const repeats = Array.from({ length: limits.conflictsMax + 1 }, () => contention.repeats());
  expect(repeats).toEqual([true, true, true, false]);
});
