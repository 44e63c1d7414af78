import { assert } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Fence, Lookup } from "./engine.ts";
import { checkKey, textOf } from "./text.ts";

export interface ViewParts {
  readonly lookUp: (key: string) => Promise<Lookup | undefined>;
  readonly fill: (key: string, text: string, fence: Fence) => Promise<void>;
}

/** What a transaction knows of one key. */
interface Entry {
  /** It changes what the key stands for: the cache says nothing about it any more. */
  readonly isTouched: boolean;
  readonly text: string | undefined;
  /** Set where the value was loaded inside the transaction: it is cached after the commit. */
  readonly fence: Fence | undefined;
}

const touched: Entry = { isTouched: true, text: undefined, fence: undefined };

/** A point to roll back to; the number of changes so far. */
export type Mark = number;

/**
 * The cache as one transaction's handlers see it. They read committed values, and their own where
 * they touched a key. Nothing they load is cached before the commit, since it may come to nothing.
 */
export class TransactionView {
  readonly #parts: ViewParts;
  readonly #entries = new Map<string, Entry>();
  /** What each change replaced, so that a savepoint's changes can be taken back. */
  readonly #journal: { readonly key: string; readonly before: Entry | undefined }[] = [];
  /** Look-ups under way, by key; replaced at each rollback, which they do not outlive. */
  #lookingUp = new Map<string, Promise<string>>();

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  /** Keys that the transaction touches. */
  get touched(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const [key, { isTouched }] of this.#entries) if (isTouched) keys.add(key);
    return keys;
  }

  /** A value as it survives JSON, each caller's own. See `HandlerCache.get`. */
  async get<Value>(key: string, load: () => Promise<Value>): Promise<Value> {
    const known = this.#entries.get(key);
    if (known?.isTouched) return JSON.parse(await textOf(load)());
    if (known?.text !== undefined) return JSON.parse(known.text);
    let text = this.#lookingUp.get(key);
    if (text === undefined) {
      checkKey(key);
      text = this.#lookUp(key, load);
      this.#lookingUp.set(key, text);
    }
    return JSON.parse(await text);
  }

  touch(keys: readonly string[]): void {
    assert(
      keys.length <= limits.keysTouchedPerEventMax,
      `an event touches at most ${limits.keysTouchedPerEventMax} keys`,
    );
    for (const key of keys) {
      if (this.#entries.get(key)?.isTouched) continue;
      checkKey(key);
      this.#set(key, touched);
    }
  }

  mark(): Mark {
    return this.#journal.length;
  }

  /** Forgets what came after the mark: its savepoint was rolled back. */
  rollbackTo(mark: Mark): void {
    this.#lookingUp = new Map();
    while (this.#journal.length > mark) {
      const change = this.#journal.pop();
      if (change === undefined) return;
      if (change.before === undefined) this.#entries.delete(change.key);
      else this.#entries.set(change.key, change.before);
    }
  }

  /** After the commit, and the release of what it touched: caches what was loaded on the way. */
  async settle(): Promise<void> {
    for (const [key, { text, fence }] of this.#entries) {
      if (text !== undefined && fence !== undefined) await this.#parts.fill(key, text, fence);
    }
  }

  async #lookUp(key: string, load: () => Promise<unknown>): Promise<string> {
    const mine = this.#lookingUp;
    try {
      const lookup = await this.#parts.lookUp(key);
      const text = lookup?.value ?? (await textOf(load)());
      // What was read in a savepoint that has been rolled back since may never have been true, and
      // what was touched meanwhile is not known any more.
      if (mine === this.#lookingUp && !this.#entries.get(key)?.isTouched) {
        const fence = lookup?.value === undefined ? lookup?.fence : undefined;
        this.#set(key, { isTouched: false, text, fence });
      }
      return text;
    } finally {
      mine.delete(key);
    }
  }

  #set(key: string, entry: Entry): void {
    this.#journal.push({ key, before: this.#entries.get(key) });
    this.#entries.set(key, entry);
  }
}
