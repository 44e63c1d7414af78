/**
 * Events that are to be delivered later: not before their time, in order with their key from then
 * on, over restarts, until they are cancelled. On real engines in one process.
 */
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { Steering } from "../../src/worker/steering.ts";
import { Bench, Counted, Followed, ignoreFollowed, store, type Tables, wait } from "./bench.ts";

const ahead = (ms: number) => new Date(systemClock.now() + ms);
const hour = 3_600_000;

it("delivers an event at its time, and holds nothing of its key up until then", async () => {
  await using bench = await Bench.open();
  const handledAt: number[] = [];
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, async (event, { db }) => {
      handledAt.push(systemClock.now());
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
    }),
  ]);
  const at = ahead(400);
  const later = await bench.publish("a", 1, Counted, "later", at);
  const sooner = await bench.publish("a", 2);
  expect(await instance.worker.standing(sooner, 20_000)).toEqual({ state: "done" });
  expect(await instance.worker.standing(later, 0)).toEqual({
    state: "scheduled",
    at: at.toISOString(),
  });
  const scheduled = (await new Steering(instance.database).status()).map(
    ({ scheduledEvents }) => scheduledEvents,
  );
  expect(scheduled.sort()).toEqual([0, 0, 0, 1]);
  expect(await instance.worker.standing(later, 20_000)).toEqual({ state: "done" });
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual([2, 1]);
  expect(handledAt[1]).toBeGreaterThanOrEqual(at.getTime());
});

it("delivers an event whose time has passed at once", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  const receipt = await bench.publish("a", 1, Counted, "past", ahead(-hour));
  expect(await instance.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
});

it("delivers events of a key in the order of their times, each once", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  const start = systemClock.now() + 300;
  for (const n of [5, 3, 1, 4, 2]) {
    await bench.publish("a", n, Counted, `a-${n}`, new Date(start + n));
    await bench.publish("b", n, Counted, `b-${n}`, new Date(start + n));
  }
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(10), wait);
  for (const key of ["a", "b"]) {
    const effects = (await bench.effects(instance)).filter((effect) => effect.key === key);
    expect(effects.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
  }
});

it("keeps what is scheduled over a restart, and delivers what came due meanwhile", async () => {
  await using bench = await Bench.open();
  const first = await bench.start([store]);
  const at = ahead(300);
  const receipt = await bench.publish("a", 1, Counted, "later", at);
  await vi.waitFor(
    async () =>
      expect(await first.worker.standing(receipt, 0)).toMatchObject({ state: "scheduled" }),
    wait,
  );
  await first.worker.stop();
  await vi.waitFor(() => expect(systemClock.now()).toBeGreaterThan(at.getTime()), wait);
  const second = await bench.start([store]);
  expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  expect(await bench.effects(second)).toHaveLength(1);
});

it("takes its turn behind a line of its key, and parks the key where it fails", async () => {
  await using bench = await Bench.open();
  let isBroken = true;
  const tried: number[] = [];
  const instance = await bench.start([
    on<typeof Counted, Tables, never, undefined>(
      Counted,
      { attempts: 100, backoff: { firstMs: 20, maxMs: 20 } },
      async (event, { db }) => {
        tried.push(event.data.n);
        if (isBroken && event.data.n === 1) throw new Error("not yet");
        await db
          .insertInto("effects")
          .values({ id: event.id, ...event.data })
          .execute();
      },
    ),
  ]);
  await bench.publish("a", 1);
  const timed = await bench.publish("a", 2, Counted, "timed", ahead(100));
  const follower = await bench.publish("a", 3);
  await vi.waitFor(() => expect(tried.length).toBeGreaterThan(10), wait);
  expect(tried.every((n) => n === 1)).toBe(true);
  isBroken = false;
  expect(await instance.worker.standing(timed, 20_000)).toEqual({ state: "done" });
  expect(await instance.worker.standing(follower, 20_000)).toEqual({ state: "done" });
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual([1, 3, 2]);
});

it("delivers what a handler emits for later, by the id that it was told", async () => {
  await using bench = await Bench.open();
  const told: string[] = [];
  const instance = await bench.start([
    on<typeof Counted, Tables, typeof Followed, undefined>(
      Counted,
      { emits: [Followed] },
      (event, { emit }) => {
        told.push(emit(Followed, { key: "b", n: event.data.n }, { at: ahead(hour) }));
      },
    ),
    ignoreFollowed,
  ]);
  await bench.publish("a", 1);
  await vi.waitFor(async () => expect(await bench.queue.find(told[0] ?? "")).toHaveLength(1), wait);
  const [found] = await bench.queue.find(told[0] ?? "");
  if (found === undefined) throw new Error("it was just found");
  expect(await instance.worker.cancel(found, found)).toBe(true);
  expect(await instance.worker.standing(found, 0)).toEqual({ state: "cancelled" });
});

it("refuses to emit at a time that is none", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables, typeof Followed, undefined>(
      Counted,
      { emits: [Followed] },
      (event, { emit }) => emit(Followed, event.data, { at: new Date("never") }),
    ),
    ignoreFollowed,
  ]);
  const receipt = await bench.publish("a", 1);
  expect(await instance.worker.standing(receipt, 20_000)).toMatchObject({
    state: "dead",
    attempts: 1,
    error: expect.stringContaining("no time"),
  });
});

it("cancels what waits for its time, as often as one asks, and nothing that was delivered", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  const soon = ahead(500);
  const kept = await bench.publish("a", 1, Counted, "kept", soon);
  const gone = await bench.publish("a", 2, Counted, "gone", soon);
  for (let time = 0; time < 2; time++) {
    expect(await instance.worker.cancel({ id: "gone", source: "/bench/test" }, gone)).toBe(true);
  }
  expect(await instance.worker.cancel({ id: "gone", source: "/elsewhere" })).toBe(false);
  expect(await instance.worker.standing(gone, 20_000)).toEqual({ state: "cancelled" });
  expect(await instance.worker.standing(kept, 20_000)).toEqual({ state: "done" });
  expect(await instance.worker.cancel({ id: "kept" }, kept)).toBe(false);
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual([1]);
});

it("delivers a thousand events of one moment, in between others", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  // All of them have come before: one that comes too late waits for nothing.
  const at = ahead(3_000);
  for (let n = 0; n < 1_000; n++) {
    await bench.publish(`key ${n % 400}`, n, Counted, `timed-${n}`, at);
  }
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(1_000), wait);
  const byKey = Map.groupBy(await bench.effects(instance), ({ key }) => key);
  for (const effects of byKey.values()) {
    const numbers = effects.map(({ n }) => n);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
});
