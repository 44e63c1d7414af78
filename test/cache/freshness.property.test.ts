/**
 * Promise 6: no query that starts after a commit sees what the commit replaced, whichever instance
 * answers. Instances read, and commit transactions with savepoints, while fast-check decides which
 * waiting step goes on next; every answer is held against what was committed when the question was
 * asked, and against everything that was ever committed.
 *
 * Three settings: each instance with a memory of its own that follows the log of touches, all of
 * them with one shared store that answers late, and a single instance that needs no log.
 */
import fc, { type Scheduler } from "fast-check";
import { describe, expect, it } from "vitest";
import { createCache, type WorkerCache } from "../../src/cache/cache.ts";
import type { CacheEngine } from "../../src/cache/engine.ts";
import type { TransactionView } from "../../src/cache/transaction-view.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { handClock } from "../support/hand-clock.ts";
import { FakeDatabase, type Stored } from "./fake-database.ts";

const keys = ["a", "b"];
const clock = handClock();

type Step =
  | { readonly kind: "get"; readonly key: string }
  /** Writes and touches; `races`: while a look-up of the same handler is under way. */
  | {
      readonly kind: "write";
      readonly key: string;
      readonly races: boolean;
      readonly fails: boolean;
    }
  /** Writes, starts a look-up that nobody waits for, and fails: its savepoint is rolled back. */
  | { readonly kind: "stray"; readonly key: string };
type Operation = {
  readonly instance: number /** In steps of others. */;
  readonly after: number;
} & (
  | { readonly kind: "read"; readonly key: string }
  | { readonly kind: "transact"; readonly steps: readonly Step[]; readonly fails: boolean }
);

const key = fc.constantFrom("a", "a", "a", "b");
const start = { instance: fc.nat(1), after: fc.nat(30) };
const rarely = fc.nat(4).map((number) => number === 0);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("get" as const), key }),
  fc.record({ kind: fc.constant("write" as const), key, races: rarely, fails: rarely }),
  fc.record({ kind: fc.constant("stray" as const), key }),
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("read" as const), ...start, key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("transact" as const),
      ...start,
      steps: fc.array(step, { minLength: 1, maxLength: 4 }),
      fails: rarely,
    }),
  },
);

/** Each instance follows the log; all share a store; one instance, alone. */
type Setting = "following" | "shared" | "alone";

class World {
  readonly database = new FakeDatabase();
  readonly caches: readonly WorkerCache[];
  readonly #scheduler: Scheduler;
  #transactions = 0;
  #loads = 0;

  constructor(scheduler: Scheduler, setting: Setting) {
    this.#scheduler = scheduler;
    const common = { clock, ttlMs: 1_000 };
    const memory = () => createMemoryCache({ bytesMax: 100_000, clock });
    const touches = this.database.touches(() => this.#pause());
    const store = memory();
    this.caches = {
      following: [1, 2].map(() => createCache({ engine: memory(), touches, ...common })),
      shared: [1, 2].map((self) => createCache({ engine: this.#late(store, self), ...common })),
      alone: [createCache({ engine: memory(), ...common })],
    }[setting];
  }

  async run(operation: Operation): Promise<void> {
    for (let pauses = operation.after; pauses > 0; pauses--) await this.#pause();
    const cache = this.caches[operation.instance % this.caches.length];
    if (cache === undefined) return;
    if (operation.kind === "read") await this.read(cache, operation.key);
    else await this.#transact(cache, operation.steps, operation.fails);
  }

  async read(cache: WorkerCache, key: string): Promise<void> {
    const { version } = this.database.committed(key);
    const { value } = await cache.read(key, () => this.#load(key));
    this.#check(value, version, key);
  }

  async #transact(cache: WorkerCache, steps: readonly Step[], fails: boolean): Promise<void> {
    const view = cache.transactionView();
    const strays: Promise<unknown>[] = [];
    const hold = await this.database.inTurn(async () => {
      const transaction = ++this.#transactions;
      const pending = new Map<string, Stored>();
      for (const step of steps) await this.#step(step, view, pending, transaction, strays);
      const hold = await cache.block([...view.touched]);
      await this.#pauses();
      if (!fails) this.database.commit(pending);
      return hold;
    });
    await this.#pauses();
    await hold.release();
    if (!fails) await view.settle();
    await Promise.all(strays);
  }

  async #step(
    step: Step,
    view: TransactionView,
    pending: Map<string, Stored>,
    by: number,
    strays: Promise<unknown>[],
  ): Promise<void> {
    const { key } = step;
    const mine = pending.get(key);
    if (step.kind === "get") {
      const { version } = mine ?? this.database.committed(key);
      const value = await view.get(key, () => this.#load(key, pending));
      if (mine === undefined) this.#check(value, version, key);
      else expect(value).toEqual(mine);
      return;
    }
    const mark = view.mark();
    if (step.kind === "write" && step.races) {
      strays.push(view.get(key, () => this.#load(key, pending)));
    }
    pending.set(key, { version: this.database.committed(key).version + 1, by });
    if (step.kind === "stray") strays.push(view.get(key, () => this.#load(key, pending)));
    else view.touch([key]);
    await this.#pause();
    if (step.kind === "write" && !step.fails) return;
    view.rollbackTo(mark);
    if (mine === undefined) pending.delete(key);
    else pending.set(key, mine);
  }

  /** Reads the database at some moment between the question and the answer. */
  async #load(key: string, pending?: ReadonlyMap<string, Stored>): Promise<Stored> {
    await this.#pause();
    const stored = pending?.get(key) ?? this.database.committed(key);
    // Now and then slow enough for a whole transaction of somebody else.
    for (let rounds = ++this.#loads % 4; rounds > 0; rounds--) await this.#pauses();
    return stored;
  }

  #check(value: Stored, atLeast: number, key: string): void {
    expect(this.database.wasCommitted(value), `${key}: ${JSON.stringify(value)}`).toBe(true);
    expect(value.version, key).toBeGreaterThanOrEqual(atLeast);
  }

  /** Long enough for others to come to something meanwhile. */
  async #pauses(): Promise<void> {
    for (let pauses = 0; pauses < 4; pauses++) await this.#pause();
  }

  #pause(): Promise<void> {
    return this.#scheduler.schedule(Promise.resolve());
  }

  /**
   * The same store for all, a way off: each call arrives late, and so does its answer. Holders have
   * names of their own among those of an instance, and with its name among all.
   */
  #late(engine: CacheEngine, self: number): CacheEngine {
    const late = async <Result>(call: () => Promise<Result>): Promise<Result> => {
      await this.#pause();
      const result = await call();
      await this.#pause();
      return result;
    };
    return {
      shared: true,
      get: (key) => late(() => engine.get(key)),
      fill: (key, value, fence, ttlMs) => late(() => engine.fill(key, value, fence, ttlMs)),
      block: (keys, holder) => late(() => engine.block(keys, `${self}.${holder}`)),
      release: (keys, holder) => late(() => engine.release(keys, `${self}.${holder}`)),
      clear: () => late(() => engine.clear()),
      close: () => engine.close(),
    };
  }
}

describe.each(["following", "shared", "alone"] as const)("%s", (setting) => {
  it("answers nothing older than the question, and nothing that was never committed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(operation, { minLength: 2, maxLength: 14 }),
        async (scheduler, operations) => {
          const world = new World(scheduler, setting);
          await scheduler.waitFor(Promise.all(operations.map((each) => world.run(each))));
          // After quiet, the caches are what the database is.
          for (const cache of world.caches) {
            for (const key of keys) await scheduler.waitFor(world.read(cache, key));
          }
        },
      ),
      { numRuns: 700 },
    );
  });
});
