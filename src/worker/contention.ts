import { limits } from "../lib/limits.ts";

/**
 * Whether the transactions of an instance run beside those of others. Where they undo each other
 * again and again, the work that is undone costs more than waiting would; and nothing undoes one
 * that runs alone, so that every batch comes to its end after so many tries.
 *
 *   beside others ──conflicts in a row──▶ alone, for 1, 2, 4 … batches ──▶ beside others
 */
export class Contention {
  #conflicts = 0;
  #aloneLeft = 0;
  #aloneNext = 1;

  /** How the next transaction runs. */
  get isAlone(): boolean {
    return this.#aloneLeft > 0;
  }

  /** A batch begins. */
  begin(): void {
    this.#conflicts = 0;
  }

  /** Its transaction was undone by others; false where there is no use in running it again. */
  repeats(): boolean {
    this.#conflicts += 1;
    if (this.#conflicts === limits.conflictsMax && !this.isAlone) {
      this.#aloneLeft = this.#aloneNext;
      this.#aloneNext = Math.min(limits.aloneBatchesMax, 2 * this.#aloneNext);
    }
    return this.#conflicts <= limits.conflictsMax;
  }

  /** Its transaction has committed. */
  committed(): void {
    if (this.isAlone) this.#aloneLeft -= 1;
    else if (this.#conflicts === 0) this.#aloneNext = Math.max(1, this.#aloneNext / 2);
  }
}
