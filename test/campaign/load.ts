import { setTimeout } from "node:timers/promises";
import type { Published } from "./checker.ts";

/**
 * Publishes under a number of keys, one event after the other in each, until it is stopped. A
 * request that brings no receipt is repeated with the same Idempotency-Key until it does, as a
 * careful client does.
 */
export class Load {
  readonly published: Published[] = [];
  /** Answers and broken connections by their kind, for whoever wants to know. */
  readonly refusals = new Map<string, number>();
  readonly #url: string;
  readonly #publishers: Promise<void>[];
  #isOver = false;

  constructor(url: string, keys: number) {
    this.#url = `${url}/events/thing.counted`;
    this.#publishers = Array.from({ length: keys }, (_, index) => this.#publish(`key-${index}`));
  }

  /** Resolves when every publisher has got its last receipt. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#publishers);
  }

  async #publish(key: string): Promise<void> {
    for (let n = 1; !this.#isOver; n++) {
      let id: string | undefined;
      for (let tries = 0; id === undefined && tries < 2_000; tries++) {
        id = await this.#send(key, n);
        if (id === undefined) await setTimeout(20);
      }
      this.published.push({ key, n, id });
    }
  }

  async #send(key: string, n: number): Promise<string | undefined> {
    try {
      const answer = await fetch(this.#url, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": `${key}-${n}` },
        body: JSON.stringify({ key, n }),
        signal: AbortSignal.timeout(20_000),
      });
      const body = (await answer.json()) as { id?: string; code?: string };
      if (answer.status === 202) return body.id;
      this.#refused(body.code ?? String(answer.status));
    } catch (error) {
      this.#refused((error as Error).name);
    }
    return undefined;
  }

  #refused(kind: string): void {
    this.refusals.set(kind, (this.refusals.get(kind) ?? 0) + 1);
  }
}
