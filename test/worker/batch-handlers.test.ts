/**
 * Handlers of many events at once: rows of events of one type reach them together and in order;
 * a failing event costs only itself; what they emit is tied to its cause; types that alternate keep
 * the order of their key; a batch that takes too long blames nobody but the event that does.
 */
import { onBatch } from "millrace";
import { expect, it, vi } from "vitest";
import { Bench, Counted, Followed, ignoreFollowed, type Tables, wait } from "./bench.ts";

const storeAll = (sizes: number[], check: (n: number) => void = () => {}) =>
  onBatch<typeof Counted, Tables>(Counted, async (events, { db }) => {
    sizes.push(events.length);
    for (const { data } of events) check(data.n);
    await db
      .insertInto("effects")
      .values(events.map(({ id, data }) => ({ id, ...data })))
      .execute();
  });

const numbers = async (bench: Bench, instance: Awaited<ReturnType<Bench["start"]>>) =>
  (await bench.effects(instance)).map(({ n }) => n);

it("hands over together what was read together, in the order of acceptance", async () => {
  await using bench = await Bench.open();
  for (let n = 0; n < 100; n++) await bench.publish(`key ${n % 7}`, n);
  const sizes: number[] = [];
  const instance = await bench.start([storeAll(sizes), ignoreFollowed]);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(100), wait);
  expect(await numbers(bench, instance)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  expect(Math.max(...sizes)).toBeGreaterThan(1);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100);
});

it("lets a failing event cost only itself", async () => {
  await using bench = await Bench.open();
  for (let n = 0; n < 20; n++) await bench.publish(`key ${n}`, n);
  const failing = onBatch<typeof Counted, Tables>(
    Counted,
    { attempts: 1 },
    async (events, { db }) => {
      const rows = events.map(({ id, data }) => ({ id, ...data }));
      await db.insertInto("effects").values(rows).execute();
      if (events.some(({ data }) => data.n === 13)) throw new Error("an unlucky one");
    },
  );
  const instance = await bench.start([failing, ignoreFollowed]);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(19), wait);
  expect(await numbers(bench, instance)).not.toContain(13);
  const letters = await instance.database.read<{ key: string }>(
    "select key from millrace_dead_letters",
  );
  expect(letters).toEqual([{ key: "key 13" }]);
});

it("ties what is emitted to its cause", async () => {
  await using bench = await Bench.open();
  const causes = [];
  for (let n = 0; n < 10; n++) causes.push((await bench.publish("a", n)).id);
  const followed: { n: number; cause: string | undefined }[] = [];
  const instance = await bench.start([
    onBatch<typeof Counted, Tables, typeof Followed>(
      Counted,
      { emits: [Followed] },
      (events, { emit }) => {
        for (const event of events) emit(event, Followed, event.data);
      },
    ),
    onBatch<typeof Followed, Tables>(Followed, (events) => {
      for (const { data, attributes } of events) {
        followed.push({ n: data.n, cause: attributes.cause });
      }
    }),
  ]);
  await vi.waitFor(() => expect(followed).toHaveLength(10), wait);
  expect(followed).toEqual(causes.map((cause, n) => ({ n, cause })));
  expect(instance.fatal).toEqual([]);
});

it("keeps the order of a key across types that alternate", async () => {
  await using bench = await Bench.open();
  for (let n = 0; n < 40; n++) await bench.publish("a", n, n % 4 === 3 ? Followed : Counted);
  const instance = await bench.start([
    storeAll([]),
    onBatch<typeof Followed, Tables>(Followed, async (events, { db }) => {
      const rows = events.map(({ id, data }) => ({ id, ...data }));
      await db.insertInto("effects").values(rows).execute();
    }),
  ]);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(40), wait);
  expect(await numbers(bench, instance)).toEqual(Array.from({ length: 40 }, (_, n) => n));
});

it("blames only the event that takes too long", async () => {
  await using bench = await Bench.open();
  for (let n = 0; n < 5; n++) await bench.publish(`key ${n}`, n);
  const instance = await bench.start([
    onBatch<typeof Counted, Tables>(
      Counted,
      { attempts: 1, timeoutMs: 50 },
      async (events, { db }) => {
        const rows = events.map(({ id, data }) => ({ id, ...data }));
        await db.insertInto("effects").values(rows).execute();
        if (events.some(({ data }) => data.n === 2)) await new Promise<never>(() => {});
      },
    ),
    ignoreFollowed,
  ]);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(4), wait);
  const letters = await instance.database.read<{ key: string }>(
    "select key from millrace_dead_letters",
  );
  expect(letters).toEqual([{ key: "key 2" }]);
});
