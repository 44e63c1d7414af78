import { LRUCache } from "lru-cache";
import type { CacheEngine, Fence } from "../../cache/engine.ts";
import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";

export interface MemoryCacheOptions {
  /** Keys and values together; two bytes a character, as JavaScript may hold them. */
  readonly bytesMax: number;
  readonly clock: Clock;
}

/**
 * A cache in the memory of one process. The fence is one clock of ticks for all keys: each block
 * and each release is a tick, and a fill shows the tick of its look-up.
 *
 * The last touch of a key is remembered for as many keys as the bound allows. What is forgotten
 * raises a floor under all keys: a fill that is older than the floor is refused, since nobody knows
 * any more whether its key was touched.
 */
export function createMemoryCache({ bytesMax, clock }: MemoryCacheOptions): CacheEngine {
  return new MemoryCache(bytesMax, clock);
}

class MemoryCache implements CacheEngine {
  readonly shared = false;
  readonly #values: LRUCache<string, string>;
  /** Key → who blocks it. */
  readonly #blocked = new Map<string, Set<string>>();
  /** Key → tick of its last touch, the oldest touch first. */
  readonly #touched = new Map<string, number>();
  #tick = 1;
  #floor = 0;

  constructor(bytesMax: number, clock: Clock) {
    this.#values = new LRUCache<string, string>({
      maxSize: bytesMax,
      sizeCalculation: (value, key) => (key.length + value.length) * 2 + 1,
      // Never 0, which the library takes for "has no time of its own".
      perf: { now: () => clock.monotonic() + 1 },
      // Every look-up asks the clock: a value never outlives its time, not even by a millisecond.
      ttlResolution: 0,
    });
  }

  async get(key: string) {
    const fence = this.#blocked.has(key) ? undefined : this.#tick;
    return { value: this.#values.get(key), fence };
  }

  async fill(key: string, value: string, fence: Fence, ttlMs: number): Promise<boolean> {
    const touchedAt = this.#touched.get(key) ?? this.#floor;
    if (this.#blocked.has(key) || Number(fence) < touchedAt || ttlMs <= 0) return false;
    this.#values.set(key, value, { ttl: ttlMs });
    // One that is larger than the whole cache is not kept.
    return this.#values.has(key);
  }

  async block(keys: readonly string[], holder: string): Promise<void> {
    for (const key of keys) {
      const holders = this.#blocked.get(key);
      if (holders === undefined) this.#blocked.set(key, new Set([holder]));
      else holders.add(holder);
      this.#touch(key);
    }
  }

  async release(keys: readonly string[], holder: string): Promise<void> {
    for (const key of keys) {
      const holders = this.#blocked.get(key);
      if (holders?.delete(holder) === true && holders.size === 0) this.#blocked.delete(key);
      this.#touch(key);
    }
  }

  async clear(): Promise<void> {
    this.#values.clear();
    this.#touched.clear();
    this.#tick += 1;
    this.#floor = this.#tick;
  }

  async close(): Promise<void> {
    this.#values.clear();
  }

  #touch(key: string): void {
    this.#values.delete(key);
    this.#tick += 1;
    this.#touched.delete(key);
    this.#touched.set(key, this.#tick);
    if (this.#touched.size <= limits.tombstonesMax) return;
    for (const [oldest, tick] of this.#touched) {
      this.#touched.delete(oldest);
      this.#floor = tick;
      return;
    }
  }
}
