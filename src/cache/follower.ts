import { setImmediate } from "node:timers/promises";
import type { CacheEngine } from "./engine.ts";
import type { TouchLog } from "./touch-log.ts";

/** What blocks and releases at once what others have touched. */
const follower = "follower";

/**
 * Keeps a cache in the memory of one process in step with the commits of all processes: before each
 * look-up it reads the log of touches, and what was touched is dropped before anybody reads on.
 *
 * A fill needs no such look: one that stores what a commit has replaced meanwhile is refused if the
 * log was read since, and else its value is dropped when the next look-up reads the log.
 */
export class Follower {
  readonly #touches: TouchLog;
  readonly #engine: CacheEngine;
  readonly #onTouched: (keys: readonly string[] | "all") => void;
  /** Up to where the log is known; undefined until it was looked at for the first time. */
  #last: number | undefined;
  #seenCount: number | undefined;
  #together: Promise<void> | undefined;
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

  /**
   * Resolves once everything that was committed before this call is known to the cache; undefined
   * where it is already. Callers share a reading of the log that begins after all of them came,
   * since one under way may have begun before a commit that they must see.
   */
  catchUp(): Promise<void> | undefined {
    const count = this.#touches.changeCount?.();
    if (count !== undefined && count === this.#seenCount) return undefined;
    this.#next ??= this.#readAfter(this.#running);
    return this.#next;
  }

  /**
   * The same for all who call within one turn of the event loop: asking the database whether
   * anything was committed costs as much as the rest of a hit, so it is asked once, and after all
   * of them came. For those who can wait for the end of the turn.
   */
  catchUpTogether(): Promise<void> {
    this.#together ??= setImmediate().then(() => {
      this.#together = undefined;
      return this.catchUp();
    });
    return this.#together;
  }

  async #readAfter(running: Promise<void> | undefined): Promise<void> {
    // Its failure is told to those who waited for it.
    await running?.catch(() => {});
    this.#next = undefined;
    this.#running = this.#read();
    await this.#running;
  }

  async #read(): Promise<void> {
    // Asked first: a commit that comes while the log is read shows itself as another change.
    const count = this.#touches.changeCount?.();
    if (this.#last === undefined) {
      const last = await this.#touches.last();
      await this.#dropAll();
      this.#last = last;
    } else {
      const { keys, last, gap } = await this.#touches.since(this.#last);
      if (gap) await this.#dropAll();
      else if (keys.length > 0) await this.#drop(keys);
      this.#last = last;
    }
    this.#seenCount = count;
  }

  /** Blocked and released, so that what a transaction of this process has blocked stays blocked. */
  async #drop(keys: readonly string[]): Promise<void> {
    this.#onTouched(keys);
    await this.#engine.block(keys, follower);
    await this.#engine.release(keys, follower);
  }

  async #dropAll(): Promise<void> {
    this.#onTouched("all");
    await this.#engine.clear();
  }
}
