/**
 * What a worker does when something around it breaks, changes hands or comes back: dependencies,
 * the fence, partitions that move, leftovers of a crash, a queue that is not its own.
 */
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import type { EventRecord } from "../../src/system/event-record.ts";
import { Steering } from "../../src/worker/steering.ts";
import { Bench, Counted, Followed, ignoreFollowed, store, type Tables, wait } from "./bench.ts";

it("counts no attempt while a dependency is broken, and goes on by itself", async () => {
  await using bench = await Bench.open();
  let broken = true;
  const attempts: number[] = [];
  const instance = await bench.start([
    on<typeof Counted, Tables, never, undefined>(Counted, { attempts: 1 }, (event) => {
      attempts.push(event.attempt);
      if (broken) throw new MillraceError("MR_DATABASE_UNAVAILABLE", "The disk is full.");
    }),
  ]);
  const receipt = await bench.publish("a", 1);
  await vi.waitFor(() => expect(instance.worker.waitingFor).toBe("The disk is full."), wait);
  const steering = new Steering(instance.database);
  await vi.waitFor(async () => {
    const waiting = [{ instance: "counter 1", waitingFor: "The disk is full." }];
    expect(await steering.waiting()).toEqual(waiting);
  }, wait);
  broken = false;
  expect(await instance.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  expect(new Set(attempts)).toEqual(new Set([1]));
  await vi.waitFor(() => expect(instance.worker.waitingFor).toBeUndefined(), wait);
  expect(await steering.waiting()).toEqual([]);
});

it("commits nothing once another instance has taken over in the middle of its pass", async () => {
  await using bench = await Bench.open();
  const runs: string[] = [];
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, async (event, { db }) => {
      runs.push(event.id);
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
      // What a new owner does first, done here inside the old owner's own transaction.
      if (runs.length === 1) {
        // biome-ignore lint/suspicious/noExplicitAny: the bookkeeping is in no application's types.
        const any = db as any;
        await any.updateTable("millrace_positions").set({ epoch: 99 }).execute();
      }
    }),
  ]);
  const receipt = await bench.publish("a", 1);
  expect(await instance.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  expect(runs).toHaveLength(2);
  expect(await bench.effects(instance)).toHaveLength(1);
});

it("shares the partitions among instances, and takes over from one that stops", async () => {
  await using bench = await Bench.open();
  const one = await bench.start([store], { instance: "counter 1" });
  const two = await bench.start([store], { instance: "counter 2" });
  await vi.waitFor(async () => {
    const { instances } = await one.worker.progress();
    expect(instances.map(({ partitions }) => partitions.length)).toEqual([2, 2]);
  }, wait);
  await one.worker.stop();
  await vi.waitFor(async () => {
    const { instances } = await two.worker.progress();
    expect(instances).toEqual([{ instance: "counter 2", partitions: [0, 1, 2, 3] }]);
  }, wait);
  const receipts = await Promise.all(["a", "b", "c", "d", "e"].map((key) => bench.publish(key, 1)));
  for (const receipt of receipts) {
    expect(await two.worker.standing(receipt, 10_000)).toEqual({ state: "done" });
  }
  expect(await bench.effects(two)).toHaveLength(5);
});

it("takes an event once, even where the queue holds its id twice", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  const receipt = await bench.publish("a", 1);
  await instance.worker.standing(receipt, 10_000);
  // The position is set back, as if the queue delivered everything again.
  await instance.worker.stop();
  await instance.database.transaction(async (tx) => {
    await tx.run("update millrace_positions set position = 0");
  });
  const again = await bench.start([store]);
  const next = await bench.publish("a", 2);
  await again.worker.standing(next, 10_000);
  expect((await bench.effects(again)).map(({ n }) => n)).toEqual([1, 2]);
});

it("refuses a queue that is not the one its positions belong to", async () => {
  await using bench = await Bench.open();
  await using other = await Bench.open();
  await bench.start([store]);
  await expect(bench.start([store], { queue: other.queue })).rejects.toMatchObject({
    code: "MR_QUEUE_IDENTITY",
  });
});

it("relays what a crash left in the outbox, however much, in order", async () => {
  await using bench = await Bench.open();
  const follow = on<typeof Followed, Tables>(Followed, async (event, { db }) => {
    await db
      .insertInto("effects")
      .values({ id: event.id, ...event.data })
      .execute();
  });
  const first = await bench.start([follow]);
  await first.worker.stop();
  // As a worker leaves it that is killed between its commit and the relay.
  const rows = Array.from({ length: 2_500 }, (_, n) => {
    const event: EventRecord = {
      id: `left-${n}`,
      source: "/bench/counter",
      type: "thing.followed",
      key: "a",
      time: new Date(0).toISOString(),
      data: JSON.stringify({ key: "a", n }),
      attributes: { cause: "x", depth: 1 },
    };
    return [0, JSON.stringify(event)];
  });
  await first.database.transaction(async (tx) => {
    await tx.run(
      `insert into millrace_outbox (partition, event)
       select cast(value ->> 0 as integer), value ->> 1
       from ${first.database.dialect.each("$1")}`,
      [JSON.stringify(rows)],
    );
  });
  const second = await bench.start([follow]);
  await vi.waitFor(async () => {
    expect((await bench.effects(second)).map(({ n }) => n)).toEqual(rows.map((_, n) => n));
  }, wait);
});

it("makes a dead letter of a parked event whose handler is gone, and goes on", async () => {
  await using bench = await Bench.open();
  const failing = on<typeof Counted, Tables>(Counted, () => {
    throw new Error("not today");
  });
  const first = await bench.start([failing, ignoreFollowed]);
  const parked = await bench.publish("a", 1);
  await vi.waitFor(async () => {
    expect(await first.worker.standing(parked, 0)).toMatchObject({ state: "retrying" });
  }, wait);
  await first.worker.stop();
  const second = await bench.start([ignoreFollowed]);
  expect(await second.worker.standing(parked, 20_000)).toMatchObject({
    state: "dead",
    error: "MillraceError: This worker no longer handles thing.counted.",
  });
  expect(second.fatal).toEqual([]);
});

it("counts no attempt of a handler that a stop has interrupted", async () => {
  await using bench = await Bench.open();
  const attempts: number[] = [];
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  const waiting = on<typeof Counted, Tables, never, undefined>(
    Counted,
    { attempts: 1 },
    async (event, { signal }) => {
      attempts.push(event.attempt);
      start();
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("interrupted")));
      });
    },
  );
  const first = await bench.start([waiting]);
  const receipt = await bench.publish("a", 1);
  await started;
  await first.worker.stop();
  expect(first.fatal).toEqual([]);
  const second = await bench.start([store]);
  expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  expect(attempts).toEqual([1]);
});

it("begins, where it is new, with the oldest event that the queue still holds", async () => {
  await using bench = await Bench.open();
  const trimmed = await bench.publish("a", 1);
  await bench.publish("a", 2);
  await bench.queue.trim(trimmed.partition, trimmed.position);
  const instance = await bench.start([store]);
  const last = await bench.publish("a", 3);
  expect(await instance.worker.standing(last, 20_000)).toEqual({ state: "done" });
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual([2, 3]);
});

it("forgets handled ids only once nothing can bring them back", async () => {
  await using bench = await Bench.open();
  const first = await bench.start([store]);
  const receipt = await bench.publish("a", 1);
  await first.worker.standing(receipt, 20_000);
  await first.worker.stop();
  const ids = async (instance: typeof first) =>
    (await instance.database.read("select id from millrace_inbox")).length;
  await first.database.transaction((tx) =>
    tx.run("update millrace_inbox set handled_at = handled_at - $1", [9 * 86_400_000]),
  );
  // An instance prunes when it begins.
  const patient = await bench.start([store], { inboxMs: 10 * 86_400_000 });
  await patient.worker.standing(await bench.publish("b", 2), 20_000);
  expect(await ids(patient)).toBe(2);
  await patient.worker.stop();
  const usual = await bench.start([store]);
  await usual.worker.standing(await bench.publish("c", 3), 20_000);
  expect(await ids(usual)).toBe(2);
});
