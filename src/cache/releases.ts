import type { Clock } from "../lib/clock.ts";
import { isMillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";

/**
 * Releases keys, and does not fail: the commit has happened, and whoever waits for it must go on. A
 * key whose release did not reach the store stays blocked, which is slow but never stale, and is
 * released as soon as the store answers again.
 */
export class Releases {
  readonly #release: (keys: readonly string[]) => Promise<void>;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /**
   * In the order of their commits; bounded, since nothing can be blocked while the store is gone.
   */
  #owed: (readonly string[])[] = [];
  #retrying: Promise<void> | undefined;

  constructor(release: (keys: readonly string[]) => Promise<void>, clock: Clock) {
    this.#release = release;
    this.#clock = clock;
  }

  async release(keys: readonly string[]): Promise<void> {
    if (await this.#reaches(keys)) return;
    this.#owed.push(keys);
    this.#retrying ??= this.#retry().finally(() => {
      this.#retrying = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#retrying;
  }

  async #retry(): Promise<void> {
    const { signal } = this.#stop;
    for (let keys = this.#owed[0]; keys !== undefined && !signal.aborted; keys = this.#owed[0]) {
      if (await this.#reaches(keys)) this.#owed.shift();
      else await this.#clock.sleep(limits.releaseRetryMs, signal);
    }
  }

  async #reaches(keys: readonly string[]): Promise<boolean> {
    try {
      await this.#release(keys);
      return true;
    } catch (thrown) {
      if (isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) return false;
      throw thrown;
    }
  }
}
