/**
 * The wall clock is set forward or back by an hour while a worker runs: attempts are neither lost
 * nor put off, leases of the dead do not outlive them, and nothing happens twice.
 */
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { Bench, Counted, store, type Tables, wait } from "./bench.ts";

const hour = 3_600_000;

/** The system's clock, but for what somebody has set it by. */
class SetClock implements Clock {
  setByMs = 0;
  now = () => systemClock.now() + this.setByMs;
  monotonic = systemClock.monotonic;
  sleep = systemClock.sleep;
  every = systemClock.every;
  after = systemClock.after;
}

const failsUntil = (isMended: () => boolean, tries: number[] = []) =>
  on<typeof Counted, Tables, never, undefined>(
    Counted,
    { attempts: 100, backoff: { firstMs: 1_000, maxMs: 1_000 } },
    async (event, { db }) => {
      tries.push(event.attempt);
      if (event.data.key === "bad" && !isMended()) throw new Error("not yet");
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
    },
  );

it.each([
  ["back", -hour],
  ["forward", hour],
])("tries again in time after the clock was set %s by an hour", async (_way, byMs) => {
  await using bench = await Bench.open();
  const clock = new SetClock();
  let isMended = false;
  const tries: number[] = [];
  const instance = await bench.start([failsUntil(() => isMended, tries)], { clock });
  const bad = await bench.publish("bad", 1);
  await vi.waitFor(() => expect(tries.length).toBeGreaterThanOrEqual(2), wait);
  clock.setByMs = byMs;
  isMended = true;
  expect(await instance.worker.standing(bad, 20_000)).toEqual({ state: "done" });
  const good = await bench.publish("good", 2);
  expect(await instance.worker.standing(good, 20_000)).toEqual({ state: "done" });
  expect(tries).toEqual([...new Set(tries)].concat(1).slice(0, tries.length));
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual([1, 2]);
});

it("delivers what was scheduled at the time that the clock shows", async () => {
  await using bench = await Bench.open();
  const clock = new SetClock();
  const instance = await bench.start([store], { clock });
  const at = new Date(systemClock.now() + hour);
  const timed = await bench.publish("a", 1, Counted, "timed", at);
  await vi.waitFor(async () => {
    expect(await instance.worker.standing(timed, 0)).toMatchObject({ state: "scheduled" });
  }, wait);
  clock.setByMs = hour;
  expect(await instance.worker.standing(timed, 20_000)).toEqual({ state: "done" });
});

it("takes over from an owner that died before the clock was set back", async () => {
  await using bench = await Bench.open();
  const first = await bench.start([store], { instance: "counter 1" });
  await first.worker.stop();
  // What a killed instance leaves behind, as it looks once the clock was set back by an hour.
  const later = systemClock.now() + hour;
  await first.database.transaction(async (tx) => {
    await tx.run("update millrace_positions set owner = 'counter 1', lease_until = $1", [later]);
    await tx.run("insert into millrace_instances (instance, seen_until) values ('counter 1', $1)", [
      later,
    ]);
  });
  const second = await bench.start([store], { instance: "counter 2" });
  const receipt = await bench.publish("a", 1);
  expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  await vi.waitFor(async () => {
    const { instances } = await second.worker.progress();
    expect(instances).toEqual([{ instance: "counter 2", partitions: [0, 1, 2, 3] }]);
  }, wait);
});
