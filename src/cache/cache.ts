import type { Clock } from "../lib/clock.ts";
import { isMillraceError } from "../lib/errors.ts";
import type { CacheEngine, Lookup } from "./engine.ts";
import { Follower } from "./follower.ts";
import type { TouchLog } from "./touch-log.ts";
import { TransactionView } from "./transaction-view.ts";

export interface CacheOptions {
  readonly engine: CacheEngine;
  /** Needed where the engine is not shared and more than one process, or one restart, may commit. */
  readonly touches?: TouchLog;
  readonly clock: Clock;
  /** How long a value lives at most, unless a read says otherwise. */
  readonly ttlMs: number;
}

export interface ReadOptions {
  readonly ttlMs?: number;
}

/** Where an answer came from: the cache, the database, or another caller's load of the same key. */
export type ReadSource = "hit" | "miss" | "joined";

/** A worker's cache, as its queries and its handlers use it. What is cached must survive JSON. */
export interface WorkerCache {
  /**
   * The value of a key, loaded and kept where it is missing. Concurrent misses load once; but nobody
   * joins a load that began before a commit that touched the key. Every caller gets a copy.
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
  /** The cache as the handlers of one transaction see it. */
  transactionView(): TransactionView;
  /** Before a commit that touches these keys; each call is followed by one of `release`. */
  block(keys: readonly string[]): Promise<void>;
  /** After that commit, or its rollback. */
  release(keys: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export function createCache(options: CacheOptions): WorkerCache {
  return new FencedCache(options);
}

/** A load under way that others may join. */
interface Flight {
  readonly fence: Lookup["fence"];
  readonly text: Promise<string>;
}

class FencedCache implements WorkerCache {
  readonly #engine: CacheEngine;
  readonly #ttlMs: number;
  readonly #follower: Follower | undefined;
  readonly #flights = new Map<string, Flight>();
  /** Keys between their block and their release, counted. */
  readonly #blocked = new Map<string, number>();

  constructor({ engine, touches, ttlMs }: CacheOptions) {
    this.#engine = engine;
    this.#ttlMs = ttlMs;
    const isFollowing = touches !== undefined && !engine.shared;
    this.#follower = isFollowing
      ? new Follower(touches, engine, (keys) => this.#land(keys))
      : undefined;
  }

  async read<Value>(key: string, load: () => Promise<Value>, options: ReadOptions = {}) {
    const { text, source } = await this.readText(key, load, options);
    return { value: JSON.parse(text) as Value, source };
  }

  async readText(key: string, load: () => Promise<unknown>, { ttlMs }: ReadOptions = {}) {
    const lookup = await this.#lookUp(key);
    if (lookup?.value !== undefined) return { text: lookup.value, source: "hit" as const };
    const flight = this.#flights.get(key);
    if (flight !== undefined && lookup !== undefined && this.#mayJoin(flight, lookup)) {
      return { text: await flight.text, source: "joined" as const };
    }
    const text = this.#load(key, load, lookup, ttlMs ?? this.#ttlMs);
    return { text: await text, source: "miss" as const };
  }

  transactionView(): TransactionView {
    return new TransactionView({
      lookUp: (key) => this.#lookUp(key),
      fill: (key, text, fence) => this.#fill(key, text, fence, this.#ttlMs),
    });
  }

  async block(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    for (const key of keys) this.#blocked.set(key, (this.#blocked.get(key) ?? 0) + 1);
    this.#land(keys);
    await this.#engine.block(keys);
  }

  async release(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await this.#engine.release(keys);
    this.#land(keys);
    for (const key of keys) {
      const left = (this.#blocked.get(key) ?? 1) - 1;
      if (left === 0) this.#blocked.delete(key);
      else this.#blocked.set(key, left);
    }
  }

  async close(): Promise<void> {
    this.#flights.clear();
    await this.#engine.close();
  }

  /** Undefined where the cache cannot be asked: then the database answers. */
  async #lookUp(key: string): Promise<Lookup | undefined> {
    await this.#follower?.catchUp();
    try {
      return await this.#engine.get(key);
    } catch (thrown) {
      if (isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) return undefined;
      throw thrown;
    }
  }

  /**
   * A load may be joined while its key is untouched. Between block and release nobody can tell on
   * which side of the commit a load has read, so nobody joins. What other processes touch in a shared
   * store shows in the fence.
   */
  #mayJoin(flight: Flight, lookup: Lookup): boolean {
    return !this.#engine.shared || flight.fence === lookup.fence;
  }

  async #load(
    key: string,
    load: () => Promise<unknown>,
    lookup: Lookup | undefined,
    ttlMs: number,
  ): Promise<string> {
    const loading = load().then((value) => JSON.stringify(value) ?? "null");
    if (lookup === undefined) return await loading;
    const flight = { fence: lookup.fence, text: loading };
    if (!this.#blocked.has(key)) this.#flights.set(key, flight);
    try {
      const text = await loading;
      await this.#fill(key, text, lookup.fence, ttlMs);
      return text;
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  }

  /** Stores what was loaded, unless its key was touched since the fence. */
  async #fill(key: string, text: string, fence: Lookup["fence"], ttlMs: number): Promise<void> {
    await this.#follower?.catchUp();
    try {
      await this.#engine.fill(key, text, fence, ttlMs);
    } catch (thrown) {
      if (!isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) throw thrown;
    }
  }

  /** Loads of touched keys end for those who wait, but nobody joins them any more. */
  #land(keys: readonly string[] | "all"): void {
    if (keys === "all") this.#flights.clear();
    else for (const key of keys) this.#flights.delete(key);
  }
}
