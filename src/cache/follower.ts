import type { CacheEngine } from "./engine.ts";
import type { TouchLog } from "./touch-log.ts";

/**
 * Keeps a cache in the memory of one process in step with the commits of all processes: it reads the
 * log of touches, and what was touched is dropped before anybody reads on.
 */
export class Follower {
  readonly #touches: TouchLog;
  readonly #engine: CacheEngine;
  readonly #onTouched: (keys: readonly string[] | "all") => void;
  #last: number | undefined;
  #seenCount: number | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(
    touches: TouchLog,
    engine: CacheEngine,
    onTouched: (keys: readonly string[] | "all") => void,
  ) {
    this.#touches = touches;
    this.#engine = engine;
    this.#onTouched = onTouched;
  }

  /** Resolves once everything that was committed before this call is known to the cache. */
  catchUp(): Promise<void> | undefined {
    const count = this.#touches.changeCount?.();
    if (count !== undefined && count === this.#seenCount) return undefined;
    if (this.#running === undefined) return this.#begin();
    // What runs may have begun before the commit that this caller must see.
    this.#next ??= this.#running.then(() => this.#begin());
    return this.#next;
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    const run = this.#read().finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    this.#running = run;
    return run;
  }

  async #read(): Promise<void> {
    const count = this.#touches.changeCount?.();
    if (this.#last === undefined) {
      this.#last = await this.#touches.last();
      await this.#dropAll();
    } else {
      const { keys, last, gap } = await this.#touches.since(this.#last);
      if (gap) await this.#dropAll();
      else if (keys.length > 0) await this.#drop(keys);
      this.#last = last;
    }
    this.#seenCount = count;
  }

  async #drop(keys: readonly string[]): Promise<void> {
    this.#onTouched(keys);
    await this.#engine.block(keys);
    await this.#engine.release(keys);
  }

  async #dropAll(): Promise<void> {
    this.#onTouched("all");
    await this.#engine.clear();
  }
}
