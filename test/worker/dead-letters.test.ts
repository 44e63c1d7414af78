/**
 * What people do with dead letters: find them, retry them in the order of their keys, mend them,
 * discard them, try them out. Beside a running instance, which notices by itself.
 */
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { DeadLetters } from "../../src/worker/dead-letters.ts";
import { dryRun } from "../../src/worker/dry-run.ts";
import { Bench, Counted, type Instance, type Tables, wait } from "./bench.ts";

interface Mood {
  readonly isBad: (n: number) => boolean;
}

/** Stores what it counts, unless the mood is bad for it. */
const moody = (mood: { now: Mood }, whenDead: "continue" | "hold" = "continue") =>
  on<typeof Counted, Tables, never, undefined>(
    Counted,
    { attempts: 1, whenDead },
    async (event, { db, cache }) => {
      if (mood.now.isBad(event.data.n)) throw new Error(`no ${event.data.n}`);
      cache.touch(`count:${event.data.key}`);
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
    },
  );

const good: Mood = { isBad: () => false };

async function until(letters: DeadLetters, count: number): Promise<void> {
  await vi.waitFor(async () => expect(await letters.count({})).toBe(count), wait);
}

async function numbers(bench: Bench, instance: Instance, key: string): Promise<number[]> {
  return (await bench.effects(instance)).filter((row) => row.key === key).map(({ n }) => n);
}

it("finds dead letters by what they have in common, and groups the same mistakes", async () => {
  await using bench = await Bench.open();
  const mood = { now: { isBad: (n: number) => n < 5 } };
  const instance = await bench.start([moody(mood)]);
  for (let n = 0; n < 8; n++) await bench.publish(n % 2 === 0 ? "even" : "odd", n);
  const letters = new DeadLetters(instance.database);
  await until(letters, 5);
  expect(await letters.count({ key: "even" })).toBe(3);
  expect(await letters.count({ type: "thing.followed" })).toBe(0);
  expect(await letters.count({ since: systemClock.now() + 60_000 })).toBe(0);
  expect(await letters.groups({}, 10)).toEqual([
    expect.objectContaining({ count: 5, type: "thing.counted" }),
  ]);
  const first = await letters.list({}, 2);
  const rest = await letters.list({}, 10, first.at(-1));
  const positions = [...first, ...rest].map(({ position }) => position);
  expect(positions).toEqual(positions.toSorted((a, b) => a - b));
  expect(positions).toHaveLength(5);
});

it("retries those of a held key in their order, before all that waits behind them", async () => {
  await using bench = await Bench.open();
  const mood: { now: Mood } = { now: { isBad: (n) => n === 1 } };
  const instance = await bench.start([moody(mood, "hold")]);
  for (let n = 1; n <= 5; n++) await bench.publish("a", n);
  const letters = new DeadLetters(instance.database);
  await until(letters, 1);
  const [letter] = await letters.list({}, 1);
  if (letter === undefined) throw new Error("there is none");
  expect(letter.isHeld).toBe(true);
  expect(await letters.retry([letter], systemClock.now())).toBe(1);
  // Still bad: it is held again, and nothing has overtaken it.
  await until(letters, 1);
  expect(await numbers(bench, instance, "a")).toEqual([]);
  mood.now = good;
  await letters.retry([letter], systemClock.now());
  await vi.waitFor(
    async () => expect(await numbers(bench, instance, "a")).toEqual([1, 2, 3, 4, 5]),
    wait,
  );
  expect(await letters.retry([letter], systemClock.now())).toBe(0);
});

it("lets a held key go on when its dead letter is discarded", async () => {
  await using bench = await Bench.open();
  const mood: { now: Mood } = { now: { isBad: (n) => n === 1 || n === 3 } };
  const instance = await bench.start([moody(mood, "hold")]);
  for (let n = 1; n <= 4; n++) await bench.publish("a", n);
  const letters = new DeadLetters(instance.database);
  await until(letters, 1);
  await letters.discard(await letters.list({}, 10), systemClock.now());
  await vi.waitFor(async () => {
    expect((await letters.list({}, 10)).map(({ event }) => JSON.parse(event.data).n)).toEqual([3]);
  }, wait);
  expect(await numbers(bench, instance, "a")).toEqual([2]);
  await letters.discard(await letters.list({}, 10), systemClock.now());
  await vi.waitFor(async () => expect(await numbers(bench, instance, "a")).toEqual([2, 4]), wait);
});

it("lets nothing pass a held dead letter when an earlier one is retried", async () => {
  await using bench = await Bench.open();
  const mood: { now: Mood } = { now: { isBad: (n) => n <= 2 } };
  // The same key, under two handlers: nobody waits for the first event, everybody for the second.
  const first = await bench.start([moody(mood, "continue")]);
  await bench.publish("a", 1);
  const letters = new DeadLetters(first.database);
  await until(letters, 1);
  await first.worker.stop();
  const second = await bench.start([moody(mood, "hold")]);
  const held = await bench.publish("a", 2);
  const behind = await bench.publish("a", 3);
  await vi.waitFor(
    async () =>
      expect(await second.worker.standing(behind, 0)).toEqual({
        state: "behind",
        eventId: held.id,
      }),
    wait,
  );
  mood.now = good;
  await letters.retry(await letters.list({}, 1), systemClock.now());
  await vi.waitFor(async () => expect(await numbers(bench, second, "a")).toContain(1), wait);
  expect(await numbers(bench, second, "a")).toEqual([1]);
  await letters.retry(await letters.list({}, 1), systemClock.now());
  await vi.waitFor(async () => expect(await numbers(bench, second, "a")).toEqual([1, 2, 3]), wait);
});

it("keeps an edited event's place, and refuses data that would give it another key", async () => {
  await using bench = await Bench.open();
  const mood: { now: Mood } = { now: { isBad: (n) => n === 1 } };
  const instance = await bench.start([moody(mood, "hold")]);
  for (let n = 1; n <= 3; n++) await bench.publish("a", n);
  const letters = new DeadLetters(instance.database);
  await until(letters, 1);
  const [letter] = await letters.list({}, 1);
  if (letter === undefined) throw new Error("there is none");
  const { event } = letter;
  await expect(letters.edit(letter, { ...event, key: "b" })).rejects.toMatchObject({
    code: "MR_KEY_NOT_STRING",
  });
  await letters.edit(letter, { ...event, data: JSON.stringify({ key: "a", n: 10 }) });
  await letters.retry([letter], systemClock.now());
  await vi.waitFor(
    async () => expect(await numbers(bench, instance, "a")).toEqual([10, 2, 3]),
    wait,
  );
  await expect(letters.edit(letter, event)).rejects.toMatchObject({ code: "MR_EVENT_NOT_FOUND" });
});

it("tells what a retry would come to, and changes nothing", async () => {
  await using bench = await Bench.open();
  const mood: { now: Mood } = { now: { isBad: () => true } };
  const handler = moody(mood);
  const instance = await bench.start([handler]);
  await bench.publish("a", 1);
  const letters = new DeadLetters(instance.database);
  await until(letters, 1);
  const [letter] = await letters.list({}, 1);
  if (letter === undefined) throw new Error("there is none");
  const { system, definition } = bench.application([handler]);
  const parts = () => ({
    system,
    worker: definition,
    database: instance.database,
    cache: createMemoryCache({ bytesMax: 1_000, clock: systemClock }),
    clock: systemClock,
  });
  expect(await dryRun(letter, parts())).toMatchObject({ error: { message: "no 1" } });
  mood.now = good;
  expect(await dryRun(letter, parts())).toEqual({
    error: undefined,
    emitted: [],
    touched: ["count:a"],
  });
  expect(await bench.effects(instance)).toEqual([]);
  expect(await letters.count({})).toBe(1);
});
