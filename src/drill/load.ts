import { Pool } from "undici";
import type { Clock } from "../lib/clock.ts";
import type { Place } from "../worker/link.ts";
import type { Published } from "./checker.ts";

/** What one key's publisher did, and when. */
export interface Publication extends Published {
  /** Where the queue has put it; undefined where no request was ever answered with a receipt. */
  readonly place: Place | undefined;
  /** By the monotonic clock. */
  readonly atMs: number;
}

interface Receipt extends Place {
  readonly id: string;
}

export interface LoadOptions {
  /** Where the system's API is, without a slash at its end. */
  readonly url: string;
  readonly type: string;
  readonly keys: readonly string[];
  /** What a key's n-th event carries, n counted from 1. */
  readonly data: (key: string, n: number) => unknown;
  readonly clock: Clock;
  /** Events a second, over all keys; absent: as fast as receipts come. */
  readonly ratePerSecond?: number;
  /** Stands in front of the Idempotency-Keys, so that no other run has the same. */
  readonly run?: string;
  /** Headers of every request, such as an API key. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Longer with each refusal: a system that is down needs its processors to come back. */
const retryFirstMs = 20;
const retryMaxMs = 250;
const requestMs = 20_000;
/** A publisher that was held up makes up for so much of it, and lets the rest be. */
const makeUpMs = 1_000;

/**
 * Publishes under a number of keys, one event after the other in each, until it is stopped. A
 * request that brings no receipt is repeated with the same Idempotency-Key until it does, as a
 * careful client does.
 */
export class Load {
  readonly published: Publication[] = [];
  /** Answers and broken connections by their kind, for whoever wants to know. */
  readonly refusals = new Map<string, number>();
  readonly #options: LoadOptions;
  readonly #pool: Pool;
  readonly #publishers: Promise<void>[];
  readonly #over = new AbortController();
  readonly #givenUp = new AbortController();
  readonly #accepted = new Map<string, number>();

  constructor(options: LoadOptions) {
    this.#options = options;
    const { url, keys, clock } = options;
    this.#pool = new Pool(url, { connections: keys.length });
    const startedAt = clock.monotonic();
    this.#publishers = keys.map((key, index) => this.#publish(key, startedAt, index));
  }

  get keys(): readonly string[] {
    return this.#options.keys;
  }

  /** Key → how many of its events have a receipt by now. */
  get accepted(): ReadonlyMap<string, number> {
    return this.#accepted;
  }

  /**
   * Begins no new event; resolves when every publisher has got its last receipt, or after
   * `patienceMs`.
   */
  async stop(patienceMs = 40_000): Promise<void> {
    this.#over.abort();
    using _patience = this.#options.clock.after(patienceMs, () => this.#givenUp.abort());
    await Promise.all(this.#publishers);
    await this.#pool.destroy();
  }

  async #publish(key: string, startedAt: number, index: number): Promise<void> {
    const { clock, keys, ratePerSecond } = this.#options;
    const everyMs = ratePerSecond === undefined ? 0 : (keys.length / ratePerSecond) * 1_000;
    let dueAt = startedAt + (everyMs * index) / keys.length;
    for (let n = 1; ; n++) {
      await this.#until(dueAt);
      if (this.#over.signal.aborted) return;
      const receipt = await this.#sendUntilReceived(key, n);
      const atMs = clock.monotonic();
      if (receipt !== undefined) this.#accepted.set(key, (this.#accepted.get(key) ?? 0) + 1);
      this.published.push({ key, n, id: receipt?.id, place: receipt, atMs });
      dueAt = Math.max(dueAt + everyMs, atMs - makeUpMs);
    }
  }

  async #until(dueAt: number): Promise<void> {
    const { clock } = this.#options;
    const waitMs = dueAt - clock.monotonic();
    if (waitMs > 0) await clock.sleep(waitMs, this.#over.signal);
  }

  async #sendUntilReceived(key: string, n: number): Promise<Receipt | undefined> {
    for (let waitMs = retryFirstMs; ; waitMs = Math.min(2 * waitMs, retryMaxMs)) {
      const receipt = await this.#send(key, n);
      if (receipt !== undefined || this.#givenUp.signal.aborted) return receipt;
      await this.#options.clock.sleep(waitMs, this.#givenUp.signal);
    }
  }

  async #send(key: string, n: number): Promise<Receipt | undefined> {
    const { type, data, run = "", headers } = this.#options;
    try {
      const { statusCode, body } = await this.#pool.request({
        method: "POST",
        path: `/events/${encodeURIComponent(type)}`,
        headers: {
          "content-type": "application/json",
          "idempotency-key": `"${run}${key}-${n}"`,
          ...headers,
        },
        body: JSON.stringify(data(key, n)),
        headersTimeout: requestMs,
        bodyTimeout: requestMs,
        signal: this.#givenUp.signal,
      });
      const answer = (await body.json()) as Receipt & { readonly code?: string };
      if (statusCode === 202) return answer;
      this.#refused(answer.code ?? String(statusCode));
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException;
      this.#refused(code ?? name);
    }
    return undefined;
  }

  #refused(kind: string): void {
    this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1);
  }
}
