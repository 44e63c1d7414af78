import type { Fence, Lookup } from "./engine.ts";

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

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  /** Keys that the transaction touches. */
  get touched(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const [key, { isTouched }] of this.#entries) if (isTouched) keys.add(key);
    return keys;
  }

  async get<Value>(key: string, load: () => Promise<Value>): Promise<Value> {
    const known = this.#entries.get(key);
    if (known?.isTouched) return await load();
    if (known?.text !== undefined) return JSON.parse(known.text);
    const lookup = await this.#parts.lookUp(key);
    if (lookup?.value !== undefined) {
      this.#set(key, { isTouched: false, text: lookup.value, fence: undefined });
      return JSON.parse(lookup.value);
    }
    const text = JSON.stringify(await load()) ?? "null";
    // The loader itself may have touched the key.
    if (this.#entries.get(key)?.isTouched !== true) {
      this.#set(key, { isTouched: false, text, fence: lookup?.fence });
    }
    return JSON.parse(text);
  }

  touch(keys: readonly string[]): void {
    for (const key of keys) {
      if (this.#entries.get(key)?.isTouched) continue;
      this.#set(key, { isTouched: true, text: undefined, fence: undefined });
    }
  }

  mark(): Mark {
    return this.#journal.length;
  }

  /** Forgets what came after the mark: its savepoint was rolled back. */
  rollbackTo(mark: Mark): void {
    while (this.#journal.length > mark) {
      const change = this.#journal.pop();
      if (change === undefined) return;
      if (change.before === undefined) this.#entries.delete(change.key);
      else this.#entries.set(change.key, change.before);
    }
  }

  /** After the commit: caches what was loaded inside the transaction. */
  async settle(): Promise<void> {
    for (const [key, { text, fence }] of this.#entries) {
      if (text !== undefined && fence !== undefined) await this.#parts.fill(key, text, fence);
    }
  }

  #set(key: string, entry: Entry): void {
    this.#journal.push({ key, before: this.#entries.get(key) });
    this.#entries.set(key, entry);
  }
}
