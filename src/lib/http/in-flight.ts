/** Counts the requests under way: for the bound on them, and to know when the last one is done. */
export class InFlight {
  count = 0;
  #whenIdle: (() => void)[] = [];

  enter(): void {
    this.count++;
  }

  leave(): void {
    this.count--;
    if (this.count > 0) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  idle(): Promise<void> {
    if (this.count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
    });
  }
}
