import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import { ensureBallast } from "./queue-disk.ts";

/**
 * Keeps the ballast file in place: written a moment after the start, and anew once the disk has
 * room again. A queue without it works, so a failure to write it is no failure of the queue.
 */
export class Ballast {
  readonly #folder: string;
  readonly #bytes: number;
  readonly #lowBytes: number;
  readonly #stopped = new AbortController();
  readonly #start: Disposable;
  #writing: Promise<void> = Promise.resolve();
  #missing = false;

  constructor(folder: string, bytes: number, lowBytes: number, clock: Clock) {
    this.#folder = folder;
    this.#bytes = bytes;
    this.#lowBytes = lowBytes;
    this.#start = clock.after(limits.ballastDelayMs, () => this.#write());
  }

  /** The disk was full, so the writer may have dropped the ballast. */
  mayBeGone(): void {
    this.#missing = true;
  }

  /** There is room again. */
  restore(): void {
    if (this.#missing) this.#write();
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    this.#start[Symbol.dispose]();
    await this.#writing;
  }

  #write(): void {
    this.#missing = false;
    if (this.#bytes === 0) return;
    const { signal } = this.#stopped;
    this.#writing = this.#writing
      .then(() => ensureBallast(this.#folder, this.#bytes, this.#lowBytes, signal))
      .catch(() => {});
  }
}
