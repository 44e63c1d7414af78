/**
 * Promise 6 on a shared store that others can take away: instances read and commit while the store
 * is lost, cut off from one of them (before or after it has done what it was asked), blocked by an
 * instance that died, and while time passes. fast-check decides which waiting step goes on next.
 * Every answer is held against what was committed when the question was asked. Then the faults end,
 * and commits and the cache must come back by themselves.
 */
import fc, { type Scheduler } from "fast-check";
import { expect, it } from "vitest";
import { createCache, type Hold, type WorkerCache } from "../../src/cache/cache.ts";
import type { CacheEngine } from "../../src/cache/engine.ts";
import type { StoreRecord, StoreState } from "../../src/cache/store-record.ts";
import type { Transaction } from "../../src/database/engine.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { isMillraceError, MillraceError } from "../../src/lib/errors.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";
import { FakeDatabase, type Stored } from "./fake-database.ts";

const key = fc.constantFrom("a", "a", "a", "b");
const start = { instance: fc.nat(1), after: fc.nat(60) };
const ending = fc.constantFrom("commit", "commit", "rollback", "die", "unknown");
const operation = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("read" as const), ...start, key }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("write" as const), ...start, key, ending }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose" as const), ...start }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("cut" as const),
      ...start,
      how: fc.constantFrom("whole", "before", "after"),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("time" as const),
      ...start,
      ms: fc.constantFrom(100, 300, 400, 500, 700, 1_100, 1_600, 6_000, 11_000),
    }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;
type Cut = "whole" | "before" | "after";

const gone = () => new MillraceError("MR_CACHE_UNAVAILABLE", "gone");
const transaction = {} as Transaction;

class World {
  readonly clock = handClock();
  readonly database = new FakeDatabase();
  readonly caches: readonly WorkerCache[];
  readonly #scheduler: Scheduler;
  readonly #stores = new Map<string, CacheEngine>();
  readonly #blockedSince = new Map<string, number>();
  readonly #cuts: Cut[] = ["whole", "whole"];
  #state: StoreState = { generation: 0, state: "closed", store: "" };
  #transactions = 0;
  #begun = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.caches = [0, 1].map((instance) =>
      createCache({
        engine: this.#engine(instance),
        record: this.#record(),
        clock: this.clock,
        ttlMs: 3_600_000,
      }),
    );
  }

  async run(operation: Operation): Promise<void> {
    for (let pauses = operation.after; pauses > 0; pauses--) await this.#pause();
    const { instance } = operation;
    if (operation.kind === "read") await this.read(instance, operation.key);
    else if (operation.kind === "write")
      await this.write(instance, operation.key, operation.ending);
    else if (operation.kind === "lose") this.#stores.clear();
    else if (operation.kind === "cut") this.#cuts[instance] = operation.how as Cut;
    else this.clock.advance(operation.ms);
  }

  mend(): void {
    this.#cuts.fill("whole");
  }

  async read(instance: number, key: string): Promise<void> {
    const { version } = this.database.committed(key);
    const load = async () => {
      await this.#pause();
      const stored = this.database.committed(key);
      for (let pauses = 0; pauses < 4; pauses++) await this.#pause();
      return stored;
    };
    const { value } = await this.#cache(instance).read<Stored>(key, load);
    expect(this.database.wasCommitted(value)).toBe(true);
    expect(value.version, key).toBeGreaterThanOrEqual(version);
  }

  /** False where the cache kept it from committing. */
  async write(instance: number, key: string, ending: string): Promise<boolean> {
    const cache = this.#cache(instance);
    const by = ++this.#transactions;
    let isCommitted = false;
    let hold: Hold | undefined;
    try {
      await this.database.inTurn(async () => {
        const { version } = this.database.committed(key);
        await this.#pause();
        hold = await cache.block([key], transaction);
        // Its connection is lost, and what it has sent arrives all the same, later.
        if (ending === "unknown") await hold.release(true);
        for (let pauses = 0; pauses < 3; pauses++) await this.#pause();
        if (ending !== "rollback")
          this.database.commit(new Map([[key, { version: version + 1, by }]]));
        isCommitted = true;
      });
    } catch (thrown) {
      if (!isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) throw thrown;
    }
    await this.#pause();
    // Who dies releases nothing.
    if (ending !== "die" && ending !== "unknown") await hold?.release();
    return isCommitted;
  }

  #cache(instance: number): WorkerCache {
    const cache = this.caches[instance];
    if (cache === undefined) throw new Error("no such instance");
    return cache;
  }

  #record(): StoreRecord {
    return {
      read: async () => {
        await this.#pause();
        const state = this.#state;
        await this.#pause();
        return state;
      },
      readIn: async () => {
        await this.#pause();
        return this.#state;
      },
      move: (from, to) =>
        this.database.inTurn(async () => {
          await this.#pause();
          if (this.#state.generation === from) this.#state = { generation: from + 1, ...to };
          await this.#pause();
        }),
    };
  }

  /** A store a way off, which an instance may not reach, or not hear from. */
  #engine(instance: number): CacheEngine {
    let used: string | undefined;
    const far = async <Answer>(call: (store: CacheEngine) => Promise<Answer>, name = used) => {
      await this.#pause();
      if (this.#cuts[instance] === "before") throw gone();
      const store = this.#stores.get(name ?? "");
      if (store === undefined) throw gone();
      const answer = await call(store);
      await this.#pause();
      if (this.#cuts[instance] === "after") throw gone();
      return answer;
    };
    const named = (fence: unknown) => String(fence).split(" ");
    return {
      shared: true,
      begin: async () => {
        await this.#pause();
        if (this.#cuts[instance] !== "whole") throw gone();
        const name = `store-${++this.#begun}`;
        this.#stores.set(name, createMemoryCache({ bytesMax: 100_000, clock: this.clock }));
        return name;
      },
      use: (name) => {
        used = name;
      },
      get: (key) => {
        const name = used;
        return far(async (store) => {
          const { value, fence } = await store.get(key);
          const since = this.#blockedSince.get(`${name} ${key}`) ?? 0;
          return fence === undefined
            ? { value, fence, blockedMs: this.clock.monotonic() - since }
            : { value, fence: `${name} ${fence}` };
        });
      },
      fill: async (key, value, fence, ttlMs) => {
        const [name, tick] = named(fence);
        if (name !== used) return false;
        return await far((store) => store.fill(key, value, Number(tick), ttlMs));
      },
      block: (keys, holder) => {
        const name = used;
        return far((store) => {
          for (const key of keys) this.#blockedSince.set(`${name} ${key}`, this.clock.monotonic());
          return store.block(keys, `${instance} ${holder}`);
        });
      },
      release: async (keys, holder) => {
        if (used !== undefined) await far((store) => store.release(keys, `${instance} ${holder}`));
      },
      clear: () => far((store) => store.clear()),
      close: async () => {},
    };
  }

  #pause(): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve());
  }
}

it("answers nothing older than the question, whatever becomes of the store", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(operation, { minLength: 4, maxLength: 40 }),
      async (scheduler, operations) => {
        const world = new World(scheduler);
        const wait = <Result>(work: Promise<Result>) => scheduler.waitFor(work);
        // In use, so that there is something to lose.
        await wait(world.read(0, "a"));
        await wait(world.read(0, "a"));
        await wait(Promise.all(operations.map((each) => world.run(each))));
        world.mend();
        for (let round = 0; round < 12; round++) {
          for (const instance of [0, 1]) await wait(world.read(instance, "a"));
          world.clock.advance(limits.keyBlockedMs / 4);
        }
        for (const instance of [0, 1]) {
          expect(await wait(world.write(instance, "a", "commit"))).toBe(true);
          await wait(world.read(instance, "a"));
          const { hit } = world.caches[instance]?.counts ?? { hit: 0 };
          await wait(world.read(instance, "a"));
          expect(world.caches[instance]?.counts.hit).toBe(hit + 1);
        }
        for (const cache of world.caches) await wait(cache.close());
      },
    ),
    { numRuns: 500 },
  );
});
