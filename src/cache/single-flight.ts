import type { Fence } from "./engine.ts";

/** What a caller gets of a load: its text, and whether another caller had begun it. */
export interface Flight {
  readonly text: Promise<string>;
  readonly isJoined: boolean;
}

/**
 * Lets callers that miss the same key at the same time share one load, as long as none of them gets
 * a value that is older than its own question.
 */
export class SingleFlight {
  readonly #joinable = new Map<string, { readonly fence: Fence; readonly text: Promise<string> }>();
  readonly #running = new Map<string, Promise<string>>();
  readonly #waiting = new Map<string, Promise<string>>();

  /**
   * Joins the load of this key that has shown the same fence, or begins one. `isComparable`: the
   * fence alone tells of touches by others; else `land` does, and the fences are not looked at.
   */
  share(key: string, fence: Fence, isComparable: boolean, load: () => Promise<string>): Flight {
    const known = this.#joinable.get(key);
    if (known !== undefined && (!isComparable || known.fence === fence)) {
      return { text: known.text, isJoined: true };
    }
    const text = load().finally(() => {
      if (this.#joinable.get(key) === flight) this.#joinable.delete(key);
    });
    const flight = { fence, text };
    this.#joinable.set(key, flight);
    return { text, isJoined: false };
  }

  /**
   * For a key that has no fence now: nothing tells whether a load under way has read before or
   * after a commit, so a caller takes one that begins after it came. One at a time runs; all who
   * come meanwhile share the next.
   */
  inTurn(key: string, load: () => Promise<string>): Flight {
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) return { text: waiting, isJoined: true };
    const running = this.#running.get(key);
    if (running === undefined) return { text: this.#run(key, load), isJoined: false };
    const begin = () => {
      this.#waiting.delete(key);
      return this.#run(key, load);
    };
    const text = running.then(begin, begin);
    this.#waiting.set(key, text);
    return { text, isJoined: false };
  }

  /** Loads of touched keys end for those who wait for them, but nobody joins them any more. */
  land(keys: readonly string[] | "all"): void {
    if (keys === "all") this.#joinable.clear();
    else for (const key of keys) this.#joinable.delete(key);
  }

  #run(key: string, load: () => Promise<string>): Promise<string> {
    const text = load().finally(() => this.#running.delete(key));
    this.#running.set(key, text);
    return text;
  }
}
