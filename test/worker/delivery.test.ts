/**
 * The rules of delivery when events fail: which policy a handler has, what a held key waits for,
 * and how long lines may grow. On real engines in one process.
 */
import { setImmediate } from "node:timers/promises";
import { on, Reject, RetryAfter } from "millrace";
import { expect, it, vi } from "vitest";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { Bench, Counted, type Tables, wait } from "./bench.ts";
import { afterEach } from "./mortal.ts";

it("gives up at once on an event that its handler rejects", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, () => {
      throw new Reject("There is no such thing.", { cause: new Error("row 7 is missing") });
    }),
  ]);
  const receipt = await bench.publish("a", 1);
  expect(await instance.worker.standing(receipt, 20_000)).toEqual({
    state: "dead",
    attempts: 1,
    error: "Reject: There is no such thing.",
  });
  const [letter] = await instance.database.read<Record<string, string>>(
    "select error, history from millrace_dead_letters",
  );
  expect(JSON.parse(letter?.error ?? "")).toMatchObject({
    name: "Reject",
    stack: expect.stringContaining("delivery.test.ts"),
    cause: { name: "Error", message: "row 7 is missing" },
  });
  expect(JSON.parse(letter?.history ?? "")).toEqual([
    {
      at: expect.any(Number),
      error: "Reject: There is no such thing.",
      version: "bench 1.0.0",
    },
  ]);
});

it("remembers each attempt of an event that fails in different ways", async () => {
  await using bench = await Bench.open();
  let runs = 0;
  const instance = await bench.start([
    on<typeof Counted, Tables, never, undefined>(
      Counted,
      { attempts: 3, backoff: { firstMs: 1, maxMs: 5 } },
      (event) => {
        runs += 1;
        throw new Error(`run ${runs}, attempt ${event.attempt}`);
      },
    ),
  ]);
  const receipt = await bench.publish("a", 1);
  expect(await instance.worker.standing(receipt, 20_000)).toMatchObject({ state: "dead" });
  const [letter] = await instance.database.read<{ history: string }>(
    "select history from millrace_dead_letters",
  );
  const history = JSON.parse(letter?.history ?? "[]") as { at: number; error: string }[];
  expect(history.map(({ error }) => error.replace(/run \d+/, "run n"))).toEqual([
    "Error: run n, attempt 1",
    "Error: run n, attempt 2",
    "Error: run n, attempt 3",
  ]);
  expect(history.map(({ at }) => at)).toEqual(history.map(({ at }) => at).sort());
});

it("holds a key whose event died, if its handler says so, and lets other keys go on", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables, never, undefined>(
      Counted,
      { attempts: 2, backoff: { firstMs: 1, maxMs: 1 }, whenDead: "hold" },
      async (event, { db }) => {
        if (event.data.n === 1) throw new Error("no");
        await db
          .insertInto("effects")
          .values({ id: event.id, ...event.data })
          .execute();
      },
    ),
  ]);
  const dead = await bench.publish("bad", 1);
  const early = await bench.publish("bad", 2);
  expect(await instance.worker.standing(dead, 20_000)).toMatchObject({ state: "dead" });
  const late = await bench.publish("bad", 3);
  const other = await bench.publish("good", 4);
  expect(await instance.worker.standing(other, 20_000)).toEqual({ state: "done" });
  for (const held of [early, late]) {
    expect(await instance.worker.standing(held, 0)).toEqual({ state: "behind", eventId: dead.id });
  }
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual([4]);
});

it("stops a partition whose line is full, loses nothing of it, and goes on by itself", async () => {
  await using bench = await Bench.open();
  let isBroken = true;
  const instance = await bench.start(
    [
      on<typeof Counted, Tables, never, undefined>(
        Counted,
        { attempts: 100, backoff: { firstMs: 10, maxMs: 10 } },
        async (event, { db }) => {
          if (event.data.key === "bad" && isBroken) throw new Error("no");
          await db
            .insertInto("effects")
            .values({ id: event.id, ...event.data })
            .execute();
        },
      ),
    ],
    { lineBounds: { perKeyMax: 10, perPartitionMax: 100 } },
  );
  let last = await bench.publish("bad", 0);
  for (let n = 1; n <= 30; n++) last = await bench.publish("bad", n);
  const parked = async () => {
    const [row] = await instance.database.read<{ n: number }>(
      "select count(*) as n from millrace_parked",
    );
    return row?.n;
  };
  await vi.waitFor(async () => expect(await parked()).toBe(10), wait);
  // Keys in other partitions take no notice.
  const others = await Promise.all(["a", "b", "c", "d"].map((key) => bench.publish(key, 1)));
  const elsewhere = others.filter(({ partition }) => partition !== last.partition);
  for (const receipt of elsewhere) {
    expect(await instance.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  }
  expect(await parked()).toBe(10);
  isBroken = false;
  expect(await instance.worker.standing(last, 20_000)).toEqual({ state: "done" });
  const effects = await bench.effects(instance);
  expect(effects.filter(({ key }) => key === "bad").map(({ n }) => n)).toEqual(
    Array.from({ length: 31 }, (_, n) => n),
  );
});

it("does nothing twice where a full line ends a batch", async () => {
  await using bench = await Bench.open();
  const handler = on<typeof Counted, Tables, never, undefined>(
    Counted,
    { attempts: 100, backoff: { firstMs: 60_000, maxMs: 60_000 } },
    async (event, { db }) => {
      if (event.data.key === "bad") throw new Error("no");
      await setImmediate();
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
    },
  );
  const options = { lineBounds: { perKeyMax: 1, perPartitionMax: 100 } };
  const first = await bench.start([handler], options);
  const parked = await bench.publish("bad", 0);
  await vi.waitFor(async () => {
    expect(await first.worker.standing(parked, 0)).toMatchObject({ state: "retrying" });
  }, wait);
  await first.worker.stop();
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  const before = [];
  for (const n of numbers) before.push(await bench.publish(`key ${n % 5}`, n));
  const { partition: full } = await bench.publish("bad", 1);
  const second = await bench.start([handler], options);
  for (const receipt of before) {
    expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  }
  // Whatever still ran would have had its turn by now.
  const others = await Promise.all(["a", "b", "c", "d"].map((key) => bench.publish(key, 40)));
  for (const receipt of others.filter(({ partition }) => partition !== full)) {
    expect(await second.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  }
  const effects = (await bench.effects(second)).filter(({ n }) => n < 40);
  expect(effects.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(numbers);
});

it("moves no position back where time runs out and a line is full", async () => {
  await using bench = await Bench.open({ partitions: 2 });
  const handler = on<typeof Counted, Tables, never, undefined>(
    Counted,
    { attempts: 100, backoff: { firstMs: 1, maxMs: 1 }, timeoutMs: 100 },
    async ({ data, attempt }, { signal }) => {
      if (data.n === 99) throw new RetryAfter(60_000, "not for a long time");
      if (data.n === 1 && attempt === 1) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
    },
  );
  const back: string[] = [];
  const positions = new Map<number, number>();
  const around = (database: DatabaseEngine) =>
    afterEach(database, async () => {
      const rows = await database
        .read<{ partition: number; position: number }>("select * from millrace_positions")
        .catch(() => []);
      for (const { partition, position } of rows) {
        const before = positions.get(partition) ?? 0;
        if (position < before) back.push(`${partition}: ${before} → ${position}`);
        positions.set(partition, position);
      }
    });
  const options = { lineBounds: { perKeyMax: 1, perPartitionMax: 100 }, around };
  const first = await bench.start([handler], options);
  const keys = Array.from({ length: 12 }, (_, key) => `key ${key}`);
  const places = await Promise.all(keys.map((key) => bench.publish(key, 0)));
  const [full = "", ...others] = [0, 1].flatMap((partition) =>
    keys.filter((_, at) => places[at]?.partition === partition),
  );
  const [early = "", next = "", late = ""] = others.slice(-3);
  const parked = await bench.publish(full, 99);
  await vi.waitFor(async () => {
    expect(await first.worker.standing(parked, 0)).toMatchObject({ state: "retrying" });
  }, wait);
  await first.worker.stop();
  await bench.publish(early, 1);
  await bench.publish(next, 2);
  await bench.publish(full, 3);
  const last = await bench.publish(late, 1);
  const second = await bench.start([handler], options);
  expect(await second.worker.standing(last, 20_000)).toEqual({ state: "done" });
  expect(back).toEqual([]);
});

it("lets a handler that hangs cost its own events only, however many there are of them", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables, never, undefined>(
      Counted,
      { attempts: 2, timeoutMs: 20, backoff: { firstMs: 1, maxMs: 5 } },
      async (event, { db }) => {
        if (event.data.n % 3 === 0) await new Promise(() => {});
        await db
          .insertInto("effects")
          .values({ id: event.id, ...event.data })
          .execute();
      },
    ),
  ]);
  const receipts = [];
  for (let n = 0; n < 60; n++) receipts.push(await bench.publish(`key-${n % 4}`, n));
  for (const [n, receipt] of receipts.entries()) {
    const standing = await instance.worker.standing(receipt, 20_000);
    expect(standing).toMatchObject(
      n % 3 === 0 ? { state: "dead", attempts: 2 } : { state: "done" },
    );
  }
  const effects = await bench.effects(instance);
  for (const key of ["key-0", "key-1", "key-2", "key-3"]) {
    const numbers = effects.filter((effect) => effect.key === key).map(({ n }) => n);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  }
  expect(effects).toHaveLength(40);
});
