/**
 * What queries and handlers get of the cache in front of an engine: one load for all who miss
 * together, copies, nothing kept that failed, and the database where the cache is gone. The engine
 * is the memory one, made to fail or to be shared where a test needs it.
 */
import { describe, expect, it } from "vitest";
import { createCache } from "../../src/cache/cache.ts";
import type { CacheEngine } from "../../src/cache/engine.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { MillraceError } from "../../src/lib/errors.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";

const clock = handClock();
const memory = () => createMemoryCache({ bytesMax: 1_000_000, clock });
const alone = (engine: CacheEngine = memory()) => createCache({ engine, clock, ttlMs: 1_000 });

/** A load that ends when it is told to, and counts how often it began. */
function gatedLoad<Value>(value: Value) {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const load = async () => {
    gated.begun += 1;
    await gate;
    return value;
  };
  const gated = { begun: 0, load, open: () => open() };
  return gated;
}

/** Lets everything go on that does not wait for a timer. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("reading", () => {
  it("loads once, then hits, and counts both", async () => {
    const cache = alone();
    let loads = 0;
    const load = async () => ({ loads: ++loads });
    expect(await cache.read("key", load)).toEqual({ value: { loads: 1 }, source: "miss" });
    expect(await cache.read("key", load)).toEqual({ value: { loads: 1 }, source: "hit" });
    expect(cache.counts).toEqual({ hit: 1, miss: 1, joined: 0, fillsRefused: 0 });
  });

  it("loads once for all who miss together", async () => {
    const cache = alone();
    const gated = gatedLoad("value");
    const answers = Array.from({ length: 50 }, () => cache.read("key", gated.load));
    await settle();
    gated.open();
    const sources = (await Promise.all(answers)).map(({ source }) => source);
    expect(sources).toEqual(["miss", ...Array.from({ length: 49 }, () => "joined")]);
    expect(gated.begun).toBe(1);
  });

  it("gives nobody a load that began before a commit that came before the question", async () => {
    const cache = alone();
    const before = gatedLoad("before");
    const early = cache.read("key", before.load);
    await settle();
    await (await cache.block(["key"])).release();
    const late = cache.read("key", async () => "after");
    expect(await late).toEqual({ value: "after", source: "miss" });
    before.open();
    expect((await early).value).toBe("before");
    expect((await cache.read("key", async () => "again")).value).toBe("after");
    expect(cache.counts.fillsRefused).toBe(1);
  });

  it("reads the database while the key is blocked: one load at a time, none kept", async () => {
    const cache = alone();
    const hold = await cache.block(["key"]);
    const running = gatedLoad("one");
    const next = gatedLoad("two");
    const one = cache.read("key", running.load);
    await settle();
    const two = [cache.read("key", next.load), cache.read("key", next.load)];
    await settle();
    expect([running.begun, next.begun]).toEqual([1, 0]);
    running.open();
    expect(await one).toEqual({ value: "one", source: "miss" });
    next.open();
    expect((await Promise.all(two)).map(({ source }) => source)).toEqual(["miss", "joined"]);
    expect(next.begun).toBe(1);
    await hold.release();
    expect((await cache.read("key", async () => "three")).source).toBe("miss");
  });

  it("gives each caller a copy, the same from a miss as from a hit", async () => {
    const cache = alone();
    const load = async () => ({ at: new Date(0), list: [1] });
    const { value: first } = await cache.read("key", load);
    first.list.push(2);
    const { value: second } = await cache.read("key", load);
    expect(second).toEqual({ at: "1970-01-01T00:00:00.000Z", list: [1] });
    expect(first.at).toBe("1970-01-01T00:00:00.000Z");
  });

  it("keeps what is nothing as null", async () => {
    const cache = alone();
    expect(await cache.read("key", async () => undefined)).toEqual({ value: null, source: "miss" });
    expect(await cache.read("key", async () => 1)).toEqual({ value: null, source: "hit" });
  });

  it("does not keep a failure, and lets those who joined it try for themselves", async () => {
    const cache = alone();
    let loads = 0;
    const failing = async () => {
      if (++loads === 1) {
        await settle();
        throw new Error("the first caller went away");
      }
      return "value";
    };
    const callers = Array.from({ length: 20 }, () => cache.read("key", failing));
    const [first, ...joined] = await Promise.allSettled(callers);
    expect(first?.status).toBe("rejected");
    for (const answer of joined) expect(answer).toMatchObject({ value: { value: "value" } });
    // One begins at once, and one more for all who came while it ran.
    expect(loads).toBe(3);
  });

  it("keeps a value for as long as the read says, else as the cache says", async () => {
    const cache = alone();
    await cache.read("short", async () => 1, { ttlMs: 100 });
    await cache.read("long", async () => 1);
    clock.advance(200);
    expect((await cache.read("short", async () => 2)).value).toBe(2);
    expect((await cache.read("long", async () => 2)).value).toBe(1);
    clock.advance(1_000);
    expect((await cache.read("long", async () => 2)).value).toBe(2);
  });

  it.each([["\0"], ["\ud800"], ["k".repeat(limits.cacheKeyLengthMax + 1)]])(
    "refuses a key that not every store keeps as it is",
    async (key) => {
      await expect(alone().read(key, async () => 1)).rejects.toThrow(/a cache key/);
      expect(() => alone().transactionView().touch([key])).toThrow(/a cache key/);
    },
  );
});

describe("without the cache", () => {
  const gone = new MillraceError("MR_CACHE_UNAVAILABLE", "The cache is gone.");

  /** An engine that can be taken away. */
  function fragile() {
    const engine = memory();
    const state = { isGone: false };
    const guard =
      <Parameters extends unknown[], Result>(call: (...p: Parameters) => Promise<Result>) =>
      async (...parameters: Parameters): Promise<Result> => {
        if (state.isGone) throw gone;
        return call(...parameters);
      };
    const guarded: CacheEngine = {
      shared: true,
      get: guard((key) => engine.get(key)),
      fill: guard((key, value, fence, ttlMs) => engine.fill(key, value, fence, ttlMs)),
      block: guard((keys, holder) => engine.block(keys, holder)),
      release: guard((keys, holder) => engine.release(keys, holder)),
      clear: guard(() => engine.clear()),
      close: () => engine.close(),
    };
    return { engine: guarded, state };
  }

  it("reads the database, one load of a key at a time", async () => {
    const { engine, state } = fragile();
    state.isGone = true;
    const cache = alone(engine);
    const running = gatedLoad(1);
    const next = gatedLoad(2);
    const first = cache.read("key", running.load);
    await settle();
    const others = Array.from({ length: 20 }, () => cache.read("key", next.load));
    await settle();
    running.open();
    next.open();
    expect((await first).value).toBe(1);
    for (const { value } of await Promise.all(others)) expect(value).toBe(2);
    expect([running.begun, next.begun]).toEqual([1, 1]);
  });

  it("lets handlers look up, and go on without keeping anything", async () => {
    const { engine, state } = fragile();
    state.isGone = true;
    const view = alone(engine).transactionView();
    expect(await view.get("key", async () => "loaded")).toBe("loaded");
    await view.settle();
  });

  it("keeps a commit waiting that touches keys: others might still see the store", async () => {
    const { engine, state } = fragile();
    const cache = alone(engine);
    state.isGone = true;
    await expect(cache.block(["key"])).rejects.toBe(gone);
    await cache.block([]);
  });

  it("takes back nobody else's block where its own never reached the store", async () => {
    const { engine } = fragile();
    const cache = alone(engine);
    const hold = await cache.block(["key"]);
    const block = engine.block;
    engine.block = async () => {
      throw gone;
    };
    await expect(cache.block(["key"])).rejects.toBe(gone);
    engine.block = block;
    expect((await engine.get("key")).fence).toBeUndefined();
    await hold.release();
    expect((await engine.get("key")).fence).toBeDefined();
  });

  it("releases later what it could not release at once, in the meantime slow but not stale", async () => {
    const { engine, state } = fragile();
    const cache = createCache({ engine, clock: systemClock, ttlMs: 1_000 });
    const hold = await cache.block(["key"]);
    state.isGone = true;
    await hold.release();
    state.isGone = false;
    expect((await engine.get("key")).fence).toBeUndefined();
    await expect
      .poll(async () => (await engine.get("key")).fence, { timeout: 10_000 })
      .toBeDefined();
    await cache.close();
  });

  it("passes on what is no outage", async () => {
    const engine = { ...memory(), get: () => Promise.reject(new Error("a mistake")) };
    await expect(alone(engine as CacheEngine).read("key", async () => 1)).rejects.toThrow(
      "mistake",
    );
  });
});

describe("in a transaction", () => {
  it("keeps what was loaded only after the commit", async () => {
    const cache = alone();
    const view = cache.transactionView();
    expect(await view.get("key", async () => "loaded")).toBe("loaded");
    expect((await cache.read("other", async () => 1)).source).toBe("miss");
    const uncommitted = await cache.transactionView().get("key", async () => "theirs");
    expect(uncommitted).toBe("theirs");
    await view.settle();
    expect(await cache.read("key", async () => "again")).toEqual({
      value: "loaded",
      source: "hit",
    });
  });

  it("loads once in a transaction, also for look-ups at the same time", async () => {
    const view = alone().transactionView();
    let loads = 0;
    const load = async () => ++loads;
    expect(await Promise.all([view.get("key", load), view.get("key", load)])).toEqual([1, 1]);
    expect(await view.get("key", load)).toBe(1);
  });

  it("reads past the cache what it has touched, and never keeps it", async () => {
    const cache = alone();
    await cache.read("key", async () => "cached");
    const view = cache.transactionView();
    expect(await view.get("key", async () => "new")).toBe("cached");
    view.touch(["key"]);
    expect([...view.touched]).toEqual(["key"]);
    expect(await view.get("key", async () => ({ at: new Date(0) }))).toEqual({
      at: "1970-01-01T00:00:00.000Z",
    });
    await (await cache.block([...view.touched])).release();
    await view.settle();
    expect((await cache.read("key", async () => "after")).source).toBe("miss");
  });

  it("forgets with a savepoint what was touched and loaded in it", async () => {
    const cache = alone();
    const view = cache.transactionView();
    view.touch(["outer"]);
    const mark = view.mark();
    view.touch(["inner", "outer"]);
    await view.get("loaded", async () => "never true");
    view.rollbackTo(mark);
    expect([...view.touched]).toEqual(["outer"]);
    expect(await view.get("loaded", async () => "true")).toBe("true");
    await view.settle();
    expect((await cache.read("loaded", async () => "again")).value).toBe("true");
  });

  it("keeps nothing of a load that outlives its savepoint", async () => {
    const cache = alone();
    const view = cache.transactionView();
    const mark = view.mark();
    const stray = gatedLoad("never true");
    const answer = view.get("key", stray.load);
    await settle();
    view.rollbackTo(mark);
    stray.open();
    await answer;
    await view.settle();
    expect((await cache.read("key", async () => "true")).value).toBe("true");
  });

  it("refuses to touch more keys at once than it may", () => {
    const keys = Array.from({ length: limits.keysTouchedPerEventMax + 1 }, (_, at) => `key:${at}`);
    expect(() => alone().transactionView().touch(keys)).toThrow(/at most 10000 keys/);
  });
});
