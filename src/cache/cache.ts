import type { Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { assert, isMillraceError } from "../lib/errors.ts";
import type { CacheEngine, Fence, Lookup } from "./engine.ts";
import { Follower } from "./follower.ts";
import { Releases } from "./releases.ts";
import { type Flight, SingleFlight } from "./single-flight.ts";
import type { StoreRecord } from "./store-record.ts";
import { checkKey, textOf } from "./text.ts";
import type { TouchLog } from "./touch-log.ts";
import { TransactionView } from "./transaction-view.ts";
import { isLosable, Trust } from "./trust.ts";

export interface CacheOptions {
  readonly engine: CacheEngine;
  /**
   * Needed where the engine is not shared and more than one process, or one restart, may commit.
   */
  readonly touches?: TouchLog;
  /** Needed where the engine is shared and its stores can be lost. */
  readonly record?: StoreRecord;
  readonly clock: Clock;
  /** How long a value lives at most, unless a read says otherwise. */
  readonly ttlMs: number;
}

export interface ReadOptions {
  readonly ttlMs?: number;
}

/** Where an answer came from: the cache, the database, or another caller's load of the same key. */
export type ReadSource = "hit" | "miss" | "joined";

/** How often each happened since the start. */
export type CacheCounts = Readonly<Record<ReadSource | "fillsRefused", number>>;

/** A worker's cache, as its queries and its handlers use it. What is cached must survive JSON. */
export interface WorkerCache {
  /**
   * The value of a key, loaded and kept where it is missing. Concurrent misses load once; but
   * nobody joins a load that began before a commit that touched the key. Every caller gets a copy.
   *
   * Errors of `load` are thrown and not kept. Without the cache, the database is read instead.
   *
   * @throws MR_DATABASE_UNAVAILABLE where nobody can tell whether what is cached is still true
   */
  read<Value>(
    key: string,
    load: () => Promise<Value>,
    options?: ReadOptions,
  ): Promise<{ readonly value: Value; readonly source: ReadSource }>;
  /** The same, as JSON text. */
  readText(
    key: string,
    load: () => Promise<unknown>,
    options?: ReadOptions,
  ): Promise<{ readonly text: string; readonly source: ReadSource }>;
  /**
   * The cache as the handlers of one transaction see it; `isEmpty` where it sees no more than the
   * database does, and keeps nothing of what it reads there.
   */
  transactionView(options?: { readonly isEmpty: boolean }): TransactionView;
  /**
   * Before a commit that touches these keys, and within its transaction where the engine's stores
   * can be lost.
   *
   * @throws MR_CACHE_UNAVAILABLE: the commit must wait, or others would go on serving what it
   * replaces; nothing is left to be released then
   */
  block(keys: readonly string[], transaction?: Transaction): Promise<Hold>;
  readonly counts: CacheCounts;
  close(): Promise<void>;
}

/** Keys that are blocked for a commit. */
export interface Hold {
  /**
   * After that commit, or its rollback. `isUnknown`: nobody knows yet which of the two it will
   * be. Does not fail.
   */
  release(isUnknown?: boolean): Promise<void>;
}

export function createCache(options: CacheOptions): WorkerCache {
  return new FencedCache(options);
}

class FencedCache implements WorkerCache {
  readonly counts = { hit: 0, miss: 0, joined: 0, fillsRefused: 0 };
  readonly #engine: CacheEngine;
  readonly #ttlMs: number;
  readonly #follower: Follower | undefined;
  readonly #trust: Trust | undefined;
  readonly #flights = new SingleFlight();
  readonly #releases: Releases;
  #holds = 0;

  constructor({ engine, touches, record, clock, ttlMs }: CacheOptions) {
    this.#engine = engine;
    this.#ttlMs = ttlMs;
    if (isLosable(engine)) {
      assert(record !== undefined, "a store that can be lost takes a record of who uses it");
      this.#trust = new Trust(engine, record, clock);
    }
    this.#releases = new Releases(
      (keys, holder) => this.#ask(() => engine.release(keys, holder)),
      clock,
    );
    const isFollowing = touches !== undefined && !engine.shared;
    this.#follower = isFollowing
      ? new Follower(touches, engine, (keys) => this.#flights.land(keys))
      : undefined;
  }

  async read<Value>(key: string, load: () => Promise<Value>, options: ReadOptions = {}) {
    const { text, source } = await this.readText(key, load, options);
    return { value: JSON.parse(text) as Value, source };
  }

  async readText(key: string, load: () => Promise<unknown>, { ttlMs }: ReadOptions = {}) {
    checkKey(key);
    // Many readers come in one turn; a transaction's handlers ask one after the other.
    const lookup = await this.#lookUp(key, this.#follower?.catchUpTogether());
    if (lookup?.value !== undefined) return this.#counted(lookup.value, "hit");
    const flight = this.#miss(key, textOf(load), lookup?.fence, ttlMs ?? this.#ttlMs);
    try {
      return this.#counted(await flight.text, flight.isJoined ? "joined" : "miss");
    } catch (error) {
      if (!flight.isJoined) throw error;
    }
    // The load was another caller's, who may have gone away in the middle of it.
    return this.#counted(await this.#flights.inTurn(key, textOf(load)).text, "miss");
  }

  transactionView({ isEmpty } = { isEmpty: false }): TransactionView {
    return new TransactionView({
      lookUp: isEmpty
        ? async () => undefined
        : (key) => this.#lookUp(key, this.#follower?.catchUp()),
      fill: (key, text, fence) => this.#fill(key, text, fence, this.#ttlMs),
    });
  }

  async block(keys: readonly string[], transaction?: Transaction): Promise<Hold> {
    if (keys.length === 0) return { release: async () => {} };
    const holder = String(++this.#holds);
    const hold = { release: (isUnknown = false) => this.#release(keys, holder, isUnknown) };
    try {
      await this.#block(keys, holder, transaction);
    } catch (thrown) {
      // Whether the store has heard of it or not.
      await hold.release();
      throw thrown;
    }
    return hold;
  }

  async #block(
    keys: readonly string[],
    holder: string,
    transaction: Transaction | undefined,
  ): Promise<void> {
    const block = () => this.#engine.block(keys, holder);
    if (this.#trust === undefined) return await block();
    assert(transaction !== undefined, "keys of such a store are blocked within a transaction");
    if (await this.#trust.mustBlock(transaction)) await this.#ask(block);
  }

  async #release(keys: readonly string[], holder: string, isUnknown: boolean): Promise<void> {
    // Before the release, so that nobody with a fence from after the commit finds them.
    this.#flights.land(keys);
    // What is in the memory of processes follows what was committed; a shared store does not.
    if (isUnknown && this.#trust !== undefined) this.#trust.doubt();
    else await this.#releases.release(keys, holder);
  }

  async close(): Promise<void> {
    await this.#releases.stop();
    await this.#trust?.settled();
    await this.#engine.close();
  }

  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    return await (this.#trust?.ask(question) ?? question());
  }

  /** Undefined where the cache cannot be asked: then the database answers. */
  async #lookUp(key: string, isCurrent?: Promise<void>): Promise<Lookup | undefined> {
    await isCurrent;
    if (this.#trust !== undefined && !(await this.#trust.mayRead())) return undefined;
    try {
      return await (this.#trust ?? this.#engine).get(key);
    } catch (thrown) {
      if (isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) return undefined;
      throw thrown;
    }
  }

  #miss(key: string, load: () => Promise<string>, fence: Fence | undefined, ttlMs: number): Flight {
    if (fence === undefined) return this.#flights.inTurn(key, load);
    return this.#flights.share(key, fence, this.#engine.shared, async () => {
      const text = await load();
      await this.#fill(key, text, fence, ttlMs);
      return text;
    });
  }

  /** Stores what was loaded, unless its key was touched since the fence. */
  async #fill(key: string, text: string, fence: Fence, ttlMs: number): Promise<void> {
    try {
      const isKept = await this.#ask(() => this.#engine.fill(key, text, fence, ttlMs));
      if (!isKept) this.counts.fillsRefused += 1;
    } catch (thrown) {
      if (!isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) throw thrown;
    }
  }

  #counted(text: string, source: ReadSource) {
    this.counts[source] += 1;
    return { text, source };
  }
}
