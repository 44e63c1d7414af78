import { Pool } from "undici";
import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { formatPlace } from "../worker/link.ts";
import type { Load } from "./load.ts";

/**
 * Asks a query of the drill's own application again and again, each time for what an earlier
 * receipt promises (`Millrace-After`): an answer that shows less is stale.
 */
export class Readers implements AsyncDisposable {
  asked = 0;
  readonly stale: string[] = [];
  readonly #load: Load;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #pool: Pool;
  readonly #over = new AbortController();
  readonly #readers: Promise<void>[];

  constructor(url: string, load: Load, { clock, random }: { clock: Clock; random: Random }) {
    this.#load = load;
    this.#clock = clock;
    this.#random = random;
    this.#pool = new Pool(url, { connections: readers });
    this.#readers = Array.from({ length: readers }, () => this.#read());
  }

  /** Asks no more by itself. */
  async stop(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#readers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#pool.destroy();
  }

  async #read(): Promise<void> {
    while (!this.#over.signal.aborted) {
      await this.#clock.sleep(pauseMs, this.#over.signal);
      await this.#ask().catch(() => {});
    }
  }

  /** Once all is quiet, the cache shows of each key what was applied last. */
  async checkAtRest(): Promise<void> {
    const last = new Map<string, number>();
    for (const { key, n, id } of this.#load.published) if (id !== undefined) last.set(key, n);
    for (const [key, n] of last) await this.#compare(key, n, {});
  }

  async #ask(): Promise<void> {
    // One of the newest, and not always the very newest: then the answer may come from the cache.
    const { published } = this.#load;
    const back = Math.ceil(this.#random.fraction() * recent);
    const known = published[Math.max(0, published.length - back)];
    if (known?.place === undefined) return;
    await this.#compare(known.key, known.n, { "millrace-after": formatPlace(known.place) });
  }

  async #compare(key: string, n: number, headers: Record<string, string>): Promise<void> {
    const path = `/first/last?key=${encodeURIComponent(key)}`;
    const request = { method: "GET", path, headers } as const;
    const { statusCode, body } = await this.#pool.request(request);
    const answer = (await body.json()) as { readonly last: number };
    if (statusCode !== 200) return;
    this.asked += 1;
    if (answer.last >= n) return;
    const when = "millrace-after" in headers ? `after ${headers["millrace-after"]}` : "at rest";
    this.stale.push(`${key} showed ${answer.last} and not ${n} ${when}`);
  }
}

const readers = 4;
const pauseMs = 20;
const recent = 200;
