/**
 * Lets an attempt that may end the process be the only one under way in it. Instances that share a
 * process would be ended together, and each would leave its own attempt behind as the one that did
 * it.
 *
 * ```
 *   among others: any number at once        alone: nobody else, and nobody begins meanwhile
 * ```
 */
export class Solitude {
  #others = 0;
  #alone: Promise<void> | undefined;
  #deserted: PromiseWithResolvers<void> | undefined;

  async among<Result>(work: () => Promise<Result>): Promise<Result> {
    while (this.#alone !== undefined) await this.#alone;
    this.#others += 1;
    try {
      return await work();
    } finally {
      this.#others -= 1;
      if (this.#others === 0) this.#deserted?.resolve();
    }
  }

  async alone<Result>(work: () => Promise<Result>): Promise<Result> {
    while (this.#alone !== undefined) await this.#alone;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#alone = promise;
    try {
      if (this.#others > 0) {
        this.#deserted = Promise.withResolvers();
        await this.#deserted.promise;
      }
      return await work();
    } finally {
      this.#alone = undefined;
      this.#deserted = undefined;
      resolve();
    }
  }
}
