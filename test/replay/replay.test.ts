/**
 * Rebuilding a worker's database from the queue, beside the running worker: the same effects, each
 * once and in order, nothing emitted again, and everything that waits kept. And handling events
 * again in place. On real engines in one process.
 */
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { systemRandom } from "../../src/lib/random.ts";
import type { ReplayFilter } from "../../src/replay/live-state.ts";
import { rebuild } from "../../src/replay/rebuild.ts";
import { repeat } from "../../src/replay/repeat.ts";
import { type ReplayFrom, startOf } from "../../src/replay/start.ts";
import {
  Bench,
  Counted,
  Followed,
  type Instance,
  store,
  type Tables,
  wait,
} from "../worker/bench.ts";

const dead = 13;

interface Mood {
  /** Numbers that fail for now. */
  readonly failing: Set<number>;
}

/** Stores and follows up; some numbers fail for now, one for ever. */
const handlers = (mood: Mood, factor = 1) => [
  on<typeof Counted, Tables, typeof Followed, undefined>(
    Counted,
    { emits: [Followed], attempts: 100, backoff: { firstMs: 20, maxMs: 200 } },
    async (event, { db, emit }) => {
      const { key, n } = event.data;
      if (mood.failing.has(n)) throw new Error("not yet");
      await db
        .insertInto("effects")
        .values({ id: event.id, key, n: n * factor })
        .execute();
      if (n < 1_000) emit(Followed, { key, n: n + 1_000 });
    },
  ),
  on<typeof Followed, Tables, never, undefined>(
    Followed,
    { attempts: 1 },
    async (event, { db }) => {
      const { key, n } = event.data;
      if (n === dead + 1_000) throw new Error("never");
      await db
        .insertInto("effects")
        .values({ id: event.id, key, n: n * factor })
        .execute();
    },
  ),
];

const surroundings = () => ({
  cache: createMemoryCache({ bytesMax: 1_000_000, clock: systemClock }),
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
});

interface Rebuilt {
  readonly instance: Instance;
  readonly events: number;
}

/** Rebuilds the worker into another file and goes on there, as the worker's process does. */
async function rebuilt(
  bench: Bench,
  live: Instance,
  given: ReturnType<typeof handlers>,
  options: {
    readonly from?: ReplayFrom;
    readonly filter?: ReplayFilter;
    readonly meanwhile?: () => Promise<void>;
  } = {},
): Promise<Rebuilt> {
  const { system, definition } = bench.application(given);
  const fresh = await bench.openDatabase("fresh.db");
  let isDisturbed = false;
  const { events } = await rebuild({
    ...{ system, worker: definition, version: "bench 2.0.0", queue: bench.queue, fresh },
    live: live.database,
    ...surroundings(),
    from: await startOf(bench.queue, options.from ?? "start"),
    filter: options.filter ?? {},
    onProgress() {
      if (isDisturbed) return;
      isDisturbed = true;
      void options.meanwhile?.();
    },
    signal: new AbortController().signal,
    switchOver: () => fresh.close(),
  });
  await live.worker.stop();
  return { instance: await bench.start(given, { file: "fresh.db" }), events };
}

const effectsOf = async (bench: Bench, instance: Instance) =>
  (await bench.effects(instance)).map(({ id, key, n }) => ({ id, key, n }));

const byKey = (effects: readonly { key: string; n: number }[]) =>
  Object.fromEntries(
    [...Map.groupBy(effects, ({ key }) => key)]
      .map(([key, all]) => [key, all.map(({ n }) => n)] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );

async function lastEnds(bench: Bench): Promise<number> {
  return [...(await bench.queue.ends()).values()].reduce((sum, end) => sum + end, 0);
}

async function settled(bench: Bench, instance: Instance): Promise<void> {
  await vi.waitFor(async () => {
    const { positions } = await instance.worker.progress();
    const ends = await bench.queue.ends();
    for (const [partition, end] of ends) expect(positions[partition]).toBe(end);
  }, wait);
}

it("makes the same effects of the same events, and emits nothing", async () => {
  await using bench = await Bench.open();
  const given = handlers({ failing: new Set() });
  const live = await bench.start(given);
  for (let n = 0; n < 200; n++) await bench.publish(`key ${n % 7}`, n);
  await vi.waitFor(async () => expect(await bench.effects(live)).toHaveLength(399), wait);
  await settled(bench, live);
  const before = await effectsOf(bench, live);
  const stored = await lastEnds(bench);
  const { instance, events } = await rebuilt(bench, live, given);
  expect(events).toBe(399);
  const after = await effectsOf(bench, instance);
  expect(after).toHaveLength(399);
  expect(byKey(after)).toEqual(byKey(before));
  expect(await lastEnds(bench)).toBe(stored);
  expect(await instance.worker.progress()).toMatchObject({ deadLetters: 1 });
  const more = await bench.publish("key 1", 500);
  expect(await instance.worker.standing(more, 20_000)).toEqual({ state: "done" });
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(401), wait);
});

it("keeps what is parked, behind it, dead and scheduled, in its order", async () => {
  await using bench = await Bench.open();
  const mood = { failing: new Set([3]) };
  const given = handlers(mood);
  const live = await bench.start(given);
  for (const n of [1, 2, 3, 4, 5]) await bench.publish("line", n);
  for (const n of [12, dead, 14]) await bench.publish("deadly", n);
  const at = new Date(systemClock.now() + 3_600_000);
  const timed = await bench.publish("line", 90, Counted, "timed", at);
  const cancelled = await bench.publish("line", 91, Counted, "cancelled", at);
  await live.worker.cancel({ id: "cancelled" }, cancelled);
  await settled(bench, live);
  await vi.waitFor(async () => {
    expect(await live.worker.progress()).toMatchObject({ parkedEvents: 5, deadLetters: 1 });
  }, wait);
  const { instance } = await rebuilt(bench, live, given);
  expect(await instance.worker.progress()).toMatchObject({ parkedEvents: 5, deadLetters: 1 });
  expect(await instance.worker.standing(timed, 0)).toMatchObject({ state: "scheduled" });
  expect(await instance.worker.standing(cancelled, 0)).toEqual({ state: "cancelled" });
  mood.failing.clear();
  await vi.waitFor(async () => {
    const { line = [] } = byKey(await bench.effects(instance));
    expect(line.filter((n) => n < 1_000)).toEqual([1, 2, 3, 4, 5]);
    expect(line.filter((n) => n > 1_000)).toEqual([1_001, 1_002, 1_003, 1_004, 1_005]);
  }, wait);
});

it("lets the worker go on meanwhile, and misses nothing of it", async () => {
  await using bench = await Bench.open();
  const mood = { failing: new Set([7, 30]) };
  const given = handlers(mood);
  const live = await bench.start(given);
  for (let n = 0; n < 300; n++) {
    if (n !== dead) await bench.publish(`key ${n % 5}`, n);
  }
  let isThrough = false;
  const { instance } = await rebuilt(bench, live, given, {
    async meanwhile() {
      mood.failing.delete(7);
      for (let n = 300; n < 600; n++) await bench.publish(`key ${n % 5}`, n);
      mood.failing.delete(30);
      isThrough = true;
    },
  });
  await vi.waitFor(() => expect(isThrough).toBe(true), wait);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(1_198), wait);
  await settled(bench, instance);
  const effects = await bench.effects(instance);
  expect(new Set(effects.map(({ id }) => id)).size).toBe(1_198);
  for (const numbers of Object.values(byKey(effects))) {
    const own = numbers.filter((n) => n < 1_000);
    expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
});

it("rebuilds with other code, and of some events where it is told to", async () => {
  await using bench = await Bench.open();
  const mood = { failing: new Set<number>() };
  const live = await bench.start(handlers(mood));
  for (const n of [1, 2, 3]) await bench.publish("a", n);
  for (const n of [4, 5]) await bench.publish("b", n);
  await vi.waitFor(async () => expect(await bench.effects(live)).toHaveLength(10), wait);
  await settled(bench, live);
  const filter = { keys: new Set(["a"]), types: new Set(["thing.counted"]) };
  const { instance } = await rebuilt(bench, live, handlers(mood, 10), { filter });
  expect(byKey(await bench.effects(instance))).toEqual({ a: [10, 20, 30] });
  await bench.publish("b", 6);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(5), wait);
});

it("fences whoever goes on in the old database, and undoes nothing where it is cut off", async () => {
  await using bench = await Bench.open();
  const given = handlers({ failing: new Set() });
  const live = await bench.start(given);
  for (let n = 0; n < 50; n++) await bench.publish("a", n);
  await vi.waitFor(async () => expect(await bench.effects(live)).toHaveLength(99), wait);
  const { system, definition } = bench.application(given);
  const stop = new AbortController();
  const fresh = await bench.openDatabase("fresh.db");
  const cutOff = rebuild({
    ...{ system, worker: definition, version: "bench 2.0.0", queue: bench.queue, fresh },
    live: live.database,
    ...surroundings(),
    from: await startOf(bench.queue, "start"),
    filter: {},
    onProgress: ({ share }) => {
      if (share === 1) stop.abort(new Error("cut off"));
    },
    signal: stop.signal,
    switchOver: async () => {
      throw new Error("it must not come so far");
    },
  });
  await expect(cutOff).rejects.toThrow("cut off");
  await fresh.close();
  const receipt = await bench.publish("a", 100);
  expect(await live.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
});

it("handles events again in place, those that are meant and no others", async () => {
  await using bench = await Bench.open();
  const instance = await bench.start([store]);
  const first = await bench.publish("a", 1);
  for (const n of [2, 3]) await bench.publish("a", n);
  await bench.publish("b", 4);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(4), wait);
  await settled(bench, instance);
  const from = await startOf(bench.queue, { ...first, position: first.position + 1 });
  const events = await repeat({
    ...{ queue: bench.queue, live: instance.database, clock: systemClock, from },
    filter: { keys: new Set(["a"]) },
    onProgress: () => {},
    signal: new AbortController().signal,
  });
  expect(events).toBe(2);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(6), wait);
  await settled(bench, instance);
  expect(byKey(await bench.effects(instance))).toEqual({ a: [1, 2, 3, 2, 3], b: [4] });
});

it("refuses to begin where the queue has nothing any more", async () => {
  await using bench = await Bench.open();
  const first = await bench.publish("a", 1);
  const second = await bench.publish("a", 2);
  await bench.queue.trim(first.partition, first.position);
  for (const from of ["start", 0, first] as const) {
    await expect(startOf(bench.queue, from)).rejects.toMatchObject({ code: "MR_REPLAY_TRIMMED" });
  }
  expect((await startOf(bench.queue, second)).get(first.partition)).toBe(first.position);
  await expect(
    startOf(bench.queue, { partition: first.partition, position: 999 }),
  ).rejects.toMatchObject({ code: "MR_EVENT_NOT_FOUND" });
  await expect(startOf(bench.queue, { partition: 99, position: 1 })).rejects.toMatchObject({
    code: "MR_EVENT_NOT_FOUND",
  });
});

it.each([
  ["beginning", [1, 2]],
  ["now", [2]],
] as const)("begins a worker that is new from %s", async (startFrom, numbers) => {
  await using bench = await Bench.open();
  await bench.publish("a", 1);
  const instance = await bench.start([store], { startFrom });
  const receipt = await bench.publish("a", 2);
  expect(await instance.worker.standing(receipt, 20_000)).toEqual({ state: "done" });
  expect((await bench.effects(instance)).map(({ n }) => n)).toEqual(numbers);
});
