import type { Clock } from "../lib/clock.ts";
import { isMillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";

/** A release that has not reached the store, or is not known to have. */
interface Owed {
  readonly keys: readonly string[];
  readonly holder: string;
}

/**
 * Releases keys, and does not fail: the commit has happened, and whoever waits for it must go on. A
 * key whose release did not reach the store stays blocked, which is slow but never stale, and is
 * released as soon as the store answers again.
 */
export class Releases {
  readonly #release: (keys: readonly string[], holder: string) => Promise<void>;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /**
   * In the order of their commits; bounded, since nothing can be blocked while the store is gone.
   */
  #owed: Owed[] = [];
  #retrying: Promise<void> | undefined;

  constructor(release: Releases["release"], clock: Clock) {
    this.#release = release;
    this.#clock = clock;
  }

  async release(keys: readonly string[], holder: string): Promise<void> {
    const owed = { keys, holder };
    if (await this.#reaches(owed)) return;
    this.#owed.push(owed);
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
    for (let owed = this.#owed[0]; owed !== undefined && !signal.aborted; owed = this.#owed[0]) {
      if (await this.#reaches(owed)) this.#owed.shift();
      else await this.#clock.sleep(limits.releaseRetryMs, signal);
    }
  }

  async #reaches({ keys, holder }: Owed): Promise<boolean> {
    try {
      await this.#release(keys, holder);
      return true;
    } catch (thrown) {
      if (isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) return false;
      throw thrown;
    }
  }
}
