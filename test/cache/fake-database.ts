/**
 * A database of numbered values, and its log of touched keys, with every step in the test's hands.
 */
import type { TouchLog } from "../../src/cache/touch-log.ts";

export interface Stored {
  readonly version: number;
  /** Which transaction wrote it; 0 for the value that was there first. */
  readonly by: number;
}

export const first: Stored = { version: 0, by: 0 };

export class FakeDatabase {
  readonly #committed = new Map<string, Stored>();
  readonly #history = new Set<string>(["0 0"]);
  readonly #log: string[] = [];
  #commits = 0;
  #turn: Promise<unknown> = Promise.resolve();

  committed(key: string): Stored {
    return this.#committed.get(key) ?? first;
  }

  /**
   * Whether a value was ever committed, or only ever seen by a transaction that came to nothing.
   */
  wasCommitted({ version, by }: Stored): boolean {
    return this.#history.has(`${version} ${by}`);
  }

  commit(pending: ReadonlyMap<string, Stored>): void {
    for (const [key, stored] of pending) {
      this.#committed.set(key, stored);
      this.#history.add(`${stored.version} ${stored.by}`);
      this.#log.push(key);
    }
    this.#commits += 1;
  }

  /** One writer after another, as SQLite has it. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** The log as an instance sees it; `pause` stands for the way there and back. */
  touches(pause: () => Promise<unknown> = async () => {}): TouchLog {
    return {
      changeCount: () => this.#commits,
      last: async () => {
        await pause();
        const last = this.#log.length;
        await pause();
        return last;
      },
      since: async (seq) => {
        await pause();
        const touches = { keys: this.#log.slice(seq), last: this.#log.length, gap: false };
        await pause();
        return touches;
      },
    };
  }
}
