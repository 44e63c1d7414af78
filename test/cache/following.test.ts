/**
 * A cache in the memory of one process hears of what others have committed from the log of touches
 * in the worker's database: as often as it must, and no more. The engine is the memory one.
 */
import { expect, it, vi } from "vitest";
import { createCache } from "../../src/cache/cache.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { MillraceError } from "../../src/lib/errors.ts";
import { handClock } from "../support/hand-clock.ts";
import { FakeDatabase } from "./fake-database.ts";

const clock = handClock();
const memory = () => createMemoryCache({ bytesMax: 1_000_000, clock });

const following = (database: FakeDatabase, touches = database.touches()) =>
  createCache({ engine: memory(), touches, clock, ttlMs: 1_000 });
const commit = (database: FakeDatabase, key: string, by: number) =>
  database.commit(new Map([[key, { version: by, by }]]));

it("drops what another instance has touched, and nothing else", async () => {
  const database = new FakeDatabase();
  const cache = following(database);
  const load = (key: string) => async () => database.committed(key).version;
  await cache.read("one", load("one"));
  await cache.read("two", load("two"));
  commit(database, "one", 1);
  expect(await cache.read("two", load("two"))).toEqual({ value: 0, source: "hit" });
  expect(await cache.read("one", load("one"))).toEqual({ value: 1, source: "miss" });
});

it("asks the log only when something was committed", async () => {
  const database = new FakeDatabase();
  const touches = database.touches();
  let asked = 0;
  const since = async (seq: number) => {
    asked += 1;
    return touches.since(seq);
  };
  const cache = following(database, { ...touches, since });
  for (let reads = 0; reads < 10; reads++) await cache.read("key", async () => 1);
  expect(asked).toBe(0);
  commit(database, "other", 1);
  for (let reads = 0; reads < 10; reads++) await cache.read("key", async () => 1);
  expect(asked).toBe(1);
});

it("looks once for all who ask in one turn, and after the last of them came", async () => {
  const database = new FakeDatabase();
  const touches = database.touches();
  const changeCount = vi.fn(() => touches.changeCount?.() ?? 0);
  const cache = following(database, { ...touches, changeCount });
  await cache.read("key", async () => 0);
  changeCount.mockClear();
  const early = Array.from({ length: 20 }, () => cache.read("key", async () => 1));
  commit(database, "key", 1);
  const late = Array.from({ length: 20 }, () => cache.read("key", async () => 1));
  const values = (await Promise.all([...early, ...late])).map(({ value }) => value);
  expect(values).toEqual(Array(40).fill(1));
  // One that finds the commit, and one that begins to read the log.
  expect(changeCount).toHaveBeenCalledTimes(2);
});

it("asks the log each time where nothing tells that something was committed", async () => {
  const database = new FakeDatabase();
  const { last, since } = database.touches();
  const cache = following(database, { last, since });
  await cache.read("key", async () => 0);
  commit(database, "key", 1);
  expect((await cache.read("key", async () => 1)).value).toBe(1);
});

it("drops everything where the log has a gap", async () => {
  const database = new FakeDatabase();
  const touches = database.touches();
  const since = async (seq: number) => ({ ...(await touches.since(seq)), keys: [], gap: true });
  const cache = following(database, { ...touches, since });
  await cache.read("key", async () => 0);
  commit(database, "key", 1);
  expect((await cache.read("key", async () => 1)).value).toBe(1);
});

it("answers nothing while the log cannot be read, and goes on when it can", async () => {
  const database = new FakeDatabase();
  const touches = database.touches();
  let isGone = false;
  const since = async (seq: number) => {
    if (isGone) throw new MillraceError("MR_DATABASE_UNAVAILABLE", "gone");
    return touches.since(seq);
  };
  const cache = following(database, { ...touches, since });
  await cache.read("key", async () => 0);
  commit(database, "key", 1);
  isGone = true;
  const refused = await Promise.allSettled([1, 2, 3].map((n) => cache.read("key", async () => n)));
  expect(refused.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  isGone = false;
  expect((await cache.read("key", async () => 1)).value).toBe(1);
});

it("leaves blocked what its own transaction has blocked", async () => {
  const database = new FakeDatabase();
  const engine = memory();
  const cache = createCache({ engine, touches: database.touches(), clock, ttlMs: 1_000 });
  await cache.read("key", async () => 0);
  await cache.block(["key"]);
  commit(database, "key", 1);
  await cache.read("other", async () => 0);
  expect((await engine.get("key")).fence).toBeUndefined();
});
