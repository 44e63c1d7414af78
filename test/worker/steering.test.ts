/** What a person can do about a worker's way through the queue, beside its running instance. */
import { on, Reject } from "millrace";
import { expect, it, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import type { QueuedEvent } from "../../src/queue/engine.ts";
import { DeadLetters } from "../../src/worker/dead-letters.ts";
import { Steering } from "../../src/worker/steering.ts";
import { Bench, Counted, store, type Tables, wait } from "./bench.ts";

async function behind(bench: Bench, partition: number, from: number): Promise<QueuedEvent[]> {
  const subscription = bench.queue.subscribe(new Map([[partition, from]]));
  const { events } = await subscription.next(100, 0);
  await subscription.close();
  return [...events];
}

it("stops a partition, parked events included, until it is let go on", async () => {
  await using bench = await Bench.open();
  let isBroken = true;
  const instance = await bench.start([
    on<typeof Counted, Tables, never, undefined>(
      Counted,
      { attempts: 100, backoff: { firstMs: 40, maxMs: 40 } },
      async (event, { db }) => {
        if (event.data.n === 1 && isBroken) throw new Error("no");
        await db
          .insertInto("effects")
          .values({ id: event.id, ...event.data })
          .execute();
      },
    ),
  ]);
  const steering = new Steering(instance.database);
  const parked = await bench.publish("a", 1);
  await vi.waitFor(
    async () =>
      expect(await instance.worker.standing(parked, 0)).toMatchObject({ state: "retrying" }),
    wait,
  );
  expect(await steering.setPaused([parked.partition], true)).toBe(1);
  expect(await steering.setPaused([parked.partition], true)).toBe(0);
  const attempts = async () =>
    ((await instance.worker.standing(parked, 0)) as { attempts: number }).attempts;
  // The instance has noticed, once it tries no more.
  await vi.waitFor(
    async () => {
      const before = await attempts();
      await systemClock.sleep(200);
      expect(await attempts()).toBe(before);
    },
    { ...wait, interval: 1 },
  );
  isBroken = false;
  const late = await bench.publish("a", 2);
  const statuses = await steering.status();
  expect(statuses.filter(({ isPaused }) => isPaused).map(({ partition }) => partition)).toEqual([
    parked.partition,
  ]);
  expect(await instance.worker.standing(late, 200)).toEqual({ state: "waiting" });
  expect(await instance.worker.standing(parked, 200)).toMatchObject({ state: "retrying" });
  expect(await steering.setPaused("all", false)).toBe(1);
  expect(await instance.worker.standing(late, 20_000)).toEqual({ state: "done" });
  const effects = (await bench.effects(instance)).filter(({ key }) => key === "a");
  expect(effects.map(({ n }) => n)).toEqual([1, 2]);
});

it("passes over events without losing them, and fences whoever works on them", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  const first = await bench.publish("a", 1);
  await instance.worker.standing(first, 20_000);
  const steering = new Steering(instance.database);
  await steering.setPaused("all", true);
  await instance.worker.stop();
  const skipped = await bench.publish("a", 2);
  const kept = await bench.publish("a", 3);
  const [next] = await behind(bench, first.partition, first.position);
  if (next === undefined) throw new Error("nothing is behind");
  const from = (await steering.status()).find((one) => one.partition === first.partition);
  await expect(steering.skip(999, [next], "test", 1)).rejects.toMatchObject({ code: "MR_FENCED" });
  expect(await steering.skip(from?.position ?? -1, [next], "test", 1)).toBe(1);
  const second = await bench.start([store]);
  await steering.setPaused("all", false);
  expect(await second.worker.standing(kept, 20_000)).toEqual({ state: "done" });
  expect(await second.worker.standing(skipped, 0)).toMatchObject({
    state: "dead",
    error: "Skipped: A person has passed over this event.",
  });
  expect((await bench.effects(second)).map(({ n }) => n)).toEqual([1, 3]);
  const letters = new DeadLetters(second.database);
  await letters.retry(await letters.list({}, 1), systemClock.now());
  expect(await second.worker.standing(skipped, 20_000)).toEqual({ state: "done" });
});

it("passes over the head of a parked key, and its line goes on", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, async (event, { db }) => {
      if (event.data.n === 1) throw new Error("no");
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
    }),
  ]);
  const head = await bench.publish("a", 1);
  const next = await bench.publish("a", 2);
  await vi.waitFor(
    async () => expect(await instance.worker.standing(next, 0)).toMatchObject({ state: "behind" }),
    wait,
  );
  const steering = new Steering(instance.database);
  expect(await steering.skipHead("nobody", "test", 1)).toBeUndefined();
  expect(await steering.skipHead("a", "test", systemClock.now())).toBe(head.id);
  expect(await instance.worker.standing(next, 20_000)).toEqual({ state: "done" });
  expect(await instance.worker.standing(head, 0)).toMatchObject({ state: "dead" });
});

it("passes over nothing that waits for a decision about a held dead letter", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables, never, undefined>(Counted, { whenDead: "hold" }, ({ data }) => {
      if (data.n === 1) throw new Reject("no");
    }),
  ]);
  const held = await bench.publish("a", 1);
  const waiting = [await bench.publish("a", 2), await bench.publish("a", 3)];
  const behind = { state: "behind", eventId: held.id };
  await vi.waitFor(async () => {
    for (const one of waiting) expect(await instance.worker.standing(one, 0)).toEqual(behind);
  }, wait);
  const steering = new Steering(instance.database);
  expect(await steering.skipHead("a", "test", systemClock.now())).toBeUndefined();
  const letters = new DeadLetters(instance.database);
  expect(await letters.count({})).toBe(1);
  await letters.discard(await letters.list({}, 1), systemClock.now());
  for (const one of waiting) {
    expect(await instance.worker.standing(one, 20_000)).toEqual({ state: "done" });
  }
});
