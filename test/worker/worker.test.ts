/**
 * The promises of a worker, on real engines in one process: effects once, order per key through
 * failures, a poison event that costs only itself, and answers that are never too old.
 */

import { setImmediate as turn } from "node:timers/promises";
import { on, query } from "millrace";
import { expect, it, vi } from "vitest";
import { z } from "zod";
import { Bench, Counted, Followed, store, type Tables, wait } from "./bench.ts";

it("handles each event once and in order, and tells where it stands", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  const receipts = [];
  for (let n = 1; n <= 50; n++) receipts.push(await bench.publish("a", n));
  const last = receipts.at(-1);
  if (last === undefined) throw new Error("nothing was published");
  expect(await instance.worker.standing(last, 10_000)).toEqual({ state: "done" });
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual(
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
});

it("goes on behind what it has applied after a restart", async () => {
  await using bench = await Bench.open();
  const first = await bench.start([store]);
  const receipt = await bench.publish("a", 1);
  await first.worker.standing(receipt, 10_000);
  await first.worker.stop();
  const second = await bench.start([store]);
  const next = await bench.publish("a", 2);
  expect(await second.worker.standing(next, 10_000)).toEqual({ state: "done" });
  expect((await bench.effects(second)).map(({ n }) => n)).toEqual([1, 2]);
});

it("stores emitted events with the effects, and puts them on the queue once", async () => {
  await using bench = await Bench.open();
  const relay = on<typeof Counted, Tables, typeof Followed>(
    Counted,
    { emits: [Followed] },
    async (event, { emit }) => emit(Followed, { key: `${event.data.key}-2`, n: event.data.n }),
  );
  const follow = on<typeof Followed, Tables>(Followed, async (event, { db }) => {
    await db
      .insertInto("effects")
      .values({ id: event.id, ...event.data })
      .execute();
    expect(event.attributes).toMatchObject({ depth: 1 });
  });
  const instance = await bench.start([relay, follow]);
  for (let n = 1; n <= 20; n++) await bench.publish("a", n);
  await vi.waitFor(async () => {
    expect((await bench.effects(instance)).map(({ n }) => n)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
  }, wait);
  // Rows that the queue confirmed go with the next transaction.
  await vi.waitFor(async () => {
    await bench.publish("b", 0);
    const left = await instance.database.read<{ n: number }>(
      "select count(*) as n from millrace_outbox",
    );
    expect(left[0]?.n).toBeLessThanOrEqual(1);
  }, wait);
});

it("parks the key of a failing event, keeps its order, and lets other keys flow", async () => {
  await using bench = await Bench.open();
  let failures = 2;
  const moody = on<typeof Counted, Tables>(Counted, async (event, { db }) => {
    await db
      .insertInto("effects")
      .values({ id: event.id, ...event.data })
      .execute();
    if (event.data.key === "bad" && event.data.n === 1 && failures-- > 0) throw new Error("no");
  });
  const instance = await bench.start([moody]);
  const bad = await bench.publish("bad", 1);
  const behind = await bench.publish("bad", 2);
  const good = await bench.publish("good", 1);
  expect(await instance.worker.standing(good, 10_000)).toEqual({ state: "done" });
  expect(await instance.worker.standing(bad, 20_000)).toEqual({ state: "done" });
  expect(await instance.worker.standing(behind, 20_000)).toEqual({ state: "done" });
  const effects = await bench.effects(instance);
  expect(effects.filter(({ key }) => key === "bad").map(({ n }) => n)).toEqual([1, 2]);
  expect(effects).toHaveLength(3);
});

it("tells which event a parked one waits behind", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, () => {
      throw new Error("never");
    }),
  ]);
  const bad = await bench.publish("bad", 1);
  const behind = await bench.publish("bad", 2);
  await vi.waitFor(async () => {
    expect(await instance.worker.standing(behind, 0)).toEqual({ state: "behind", eventId: bad.id });
    expect(await instance.worker.standing(bad, 0)).toMatchObject({
      state: "retrying",
      error: "Error: never",
    });
  }, wait);
});

it("gives up on a poison event after its attempts; what waits behind it goes on", async () => {
  await using bench = await Bench.open();
  const poison = on<typeof Counted, Tables, never, undefined>(
    Counted,
    { attempts: 2 },
    async (event, { db }) => {
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
      if (event.data.n === 1) throw new Error("poison");
    },
  );
  const instance = await bench.start([poison]);
  const bad = await bench.publish("a", 1);
  const behind = await bench.publish("a", 2);
  expect(await instance.worker.standing(behind, 20_000)).toEqual({ state: "done" });
  expect(await instance.worker.standing(bad, 0)).toEqual({
    state: "dead",
    attempts: 2,
    error: "Error: poison",
  });
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual([2]);
});

it("ends an attempt whose time is up; what the handler does afterwards has no effect", async () => {
  await using bench = await Bench.open();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const late: unknown[] = [];
  const slow = on<typeof Counted, Tables, never, undefined>(
    Counted,
    { attempts: 1, timeoutMs: 20 },
    async (event, { db, signal }) => {
      if (event.data.n !== 1) return;
      await gate;
      late.push(signal.aborted);
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute()
        .catch((error) => late.push(error.code));
    },
  );
  const instance = await bench.start([slow]);
  const receipt = await bench.publish("a", 1);
  expect(await instance.worker.standing(receipt, 10_000)).toMatchObject({ state: "dead" });
  open();
  await vi.waitFor(() => expect(late).toEqual([true, "MR_HANDLE_CLOSED"]), wait);
  expect(await bench.effects(instance)).toEqual([]);
});

it("lets nothing of a failed attempt come later, neither beside the next event nor after", async () => {
  await using bench = await Bench.open();
  const late: unknown[] = [];
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, async ({ id, data, attempt }, { db }) => {
      const write = () =>
        db
          .insertInto("effects")
          .values({ id, ...data })
          .execute();
      if (data.key === "a" && attempt === 1) {
        void turn()
          .then(write)
          .catch((thrown: unknown) => late.push(thrown));
        throw new Error("not yet");
      }
      // The transaction is still open when the failed one comes to its late write.
      for (let turns = 0; turns < 5; turns++) await turn();
      await write();
    }),
  ]);
  const receipts = [await bench.publish("a", 1), await bench.publish("b", 2)];
  for (const receipt of receipts) {
    expect(await instance.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  }
  expect((await bench.effects(instance)).map(({ n }) => n).sort()).toEqual([1, 2]);
  expect(late).toEqual(late.map(() => expect.objectContaining({ code: "MR_HANDLE_CLOSED" })));
  expect(late.length).toBeGreaterThan(0);
});

it("prepares outside the transaction, concurrently across keys", async () => {
  await using bench = await Bench.open();
  let running = 0;
  let mostAtOnce = 0;
  const instance = await bench.start([
    on<typeof Counted, Tables, never, number>(
      Counted,
      {
        prepare: async ({ data }) => {
          running += 1;
          mostAtOnce = Math.max(mostAtOnce, running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          return data.n * 10;
        },
      },
      async (event, { db, prepared }) => {
        await db
          .insertInto("effects")
          .values({ id: event.id, key: event.key, n: prepared })
          .execute();
      },
    ),
  ]);
  const events = Array.from({ length: 40 }, (_, n) => bench.publish(`key-${n % 8}`, n));
  const receipts = await Promise.all(events);
  for (const receipt of receipts) await instance.worker.standing(receipt, 10_000);
  const effects = await bench.effects(instance);
  expect(effects.map(({ n }) => n).sort((a, b) => a - b)).toEqual(receipts.map((_, n) => n * 10));
  expect(mostAtOnce).toBeGreaterThan(1);
});

it("answers with what an event has done also where its first attempt failed", async () => {
  await using bench = await Bench.open();
  const backoff = { firstMs: 200, maxMs: 200 };
  const failing = on<typeof Counted, Tables>(Counted, { backoff }, async (event, { db, cache }) => {
    if (event.attempt === 1) throw new Error("not yet");
    await db
      .insertInto("effects")
      .values({ id: event.id, ...event.data })
      .execute();
    cache.touch("count");
  });
  const count = query(
    { input: z.object({}), cacheKey: () => "count" },
    async ({ db }: { db: import("kysely").Kysely<Tables> }) =>
      (await db.selectFrom("effects").select("n").execute()).length,
  );
  const { worker } = await bench.start([failing], { queries: { count } });
  const first = await bench.publish("a", 1);
  // It waits behind the other, which waits for its second attempt.
  const behind = await bench.publish("a", 2);
  expect(await worker.query("count", "", [first])).toBe("1");
  expect(await worker.query("count", "", [behind])).toBe("2");
});

it("answers queries through the cache, never older than the position asked for", async () => {
  await using bench = await Bench.open();
  let loads = 0;
  const touching = on<typeof Counted, Tables>(Counted, async (event, { db, cache }) => {
    await db
      .insertInto("effects")
      .values({ id: event.id, ...event.data })
      .execute();
    cache.touch(`count:${event.key}`);
  });
  const count = query(
    { input: z.object({ key: z.string() }), cacheKey: ({ key }) => `count:${key}` },
    async ({ input, db }: { input: { key: string }; db: import("kysely").Kysely<Tables> }) => {
      loads += 1;
      const rows = await db
        .selectFrom("effects")
        .select("n")
        .where("key", "=", input.key)
        .execute();
      return { count: rows.length };
    },
  );
  const { worker } = await bench.start([touching], { queries: { count } });
  for (let n = 1; n <= 5; n++) {
    const receipt = await bench.publish("a", n);
    expect(JSON.parse(await worker.query("count", "key=a", [receipt]))).toEqual({ count: n });
    expect(JSON.parse(await worker.query("count", "key=a", []))).toEqual({ count: n });
  }
  expect(loads).toBe(5);
  await expect(worker.query("nope", "", [])).rejects.toMatchObject({ code: "MR_QUERY_UNKNOWN" });
  await expect(worker.query("count", "", [])).rejects.toMatchObject({
    code: "MR_INPUT_INVALID",
    faults: [{ pointer: "#/key" }],
  });
});

it("lets others have their turn while it works off a backlog", async () => {
  await using bench = await Bench.open();
  for (let n = 0; n < 3_000; n++) await bench.publish(`key-${n % 50}`, n);
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setTimeout(count, 0);
  };
  const instance = await bench.start([store]);
  count();
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(3_000), {
    timeout: 50_000,
    interval: 1,
  });
  isOver = true;
  // A pass takes up to 256 events.
  expect(turns).toBeGreaterThanOrEqual(3_000 / 256);
});
