/** What people change by hand is noted with it: who, when, what; where nothing changes, nothing. */
import { on, Reject } from "millrace";
import { expect, it } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { makeEvent } from "../../src/system/make-event.ts";
import { deedsAt } from "../../src/worker/audit.ts";
import { DeadLetters } from "../../src/worker/dead-letters.ts";
import { Steering } from "../../src/worker/steering.ts";
import { Bench, Counted, type Tables } from "./bench.ts";

it("notes each deed with the change, and nothing where nothing was changed", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, () => {
      throw new Reject("no");
    }),
  ]);
  const { database, worker } = instance;
  for (const id of ["one", "two"]) {
    const receipt = await bench.publish("a", 1, Counted, id);
    expect(await worker.standing(receipt, 20_000)).toMatchObject({ state: "dead" });
  }
  const letters = new DeadLetters(database, "ada");
  const steering = new Steering(database, "grace");
  const [one, two] = await letters.list({}, 2);
  if (one === undefined || two === undefined) throw new Error("there are two dead letters");
  await steering.setPaused([0, 1], true);
  await steering.setPaused([1], true);
  await letters.edit(one, await makeEvent(Counted, { key: "a", n: 2 }, one.event));
  const other = makeEvent(Counted, { key: "b", n: 2 }, one.event);
  await expect(letters.edit(one, await other)).rejects.toThrow(/its key would be/);
  await letters.discard([two], systemClock.now());
  await letters.discard([two], systemClock.now());
  const before = systemClock.now();
  await letters.retry([one], before);
  const deeds = await deedsAt(database, 10);
  expect(deeds.map(({ who, did, what }) => [who, did, what])).toEqual([
    ["grace", "pause", { partitions: [0, 1] }],
    ["ada", "edit", { ids: ["one"] }],
    ["ada", "discard", { ids: ["two"] }],
    ["ada", "retry", { ids: ["one"] }],
  ]);
  expect(deeds.at(-1)?.at).toBeGreaterThanOrEqual(before);
  expect(await deedsAt(database, 1)).toEqual(deeds.slice(-1));
});
