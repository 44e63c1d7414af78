import { Pool } from "undici";
import type { Clock } from "../lib/clock.ts";
import { asError, MillraceError } from "../lib/errors.ts";
import type { Input } from "./input.ts";
import { sortedJson } from "./table.ts";

export interface TrialReceipt {
  readonly partition: number;
  readonly position: number;
  readonly duplicate?: boolean;
}

/** Under this source the events of a trial are known, the same in every trial. */
export const inputSource = "/trial";

const retryMs = 50;
const requestMs = 20_000;
const connections = 16;

/** Talks to a system as its clients do. */
export class Publisher implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor(url: string, clock: Clock, signal: AbortSignal) {
    this.#pool = new Pool(url, { connections });
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * Publishes with the event's own id, and again with the same one until there is a receipt.
   *
   * @throws MR_USAGE where the event will never be accepted
   * @throws MR_GATEWAY_UNAVAILABLE where it was not in time
   */
  async publish({ id, type, time, data }: Input, patienceMs: number): Promise<TrialReceipt> {
    const event = { specversion: "1.0", id, source: inputSource, type, time, data };
    const body = JSON.stringify({ ...event, datacontenttype: "application/json" });
    const headers = { "content-type": "application/cloudevents+json" };
    const deadline = this.#clock.monotonic() + patienceMs;
    for (;;) {
      const { status, text } = await this.#ask({ method: "POST", path: "/events", headers, body });
      if (status === 202) return JSON.parse(text) as TrialReceipt;
      const mayPass = status === undefined || status === 429 || status >= 500;
      if (!mayPass || this.#clock.monotonic() > deadline) {
        const code = mayPass ? "MR_GATEWAY_UNAVAILABLE" : "MR_USAGE";
        throw new MillraceError(code, `${type} ${id} was not accepted: ${text}`);
      }
      await this.#clock.sleep(retryMs, this.#signal);
    }
  }

  /** The answer of a query as sorted JSON; null where it fails. */
  async query(worker: string, name: string, search: string): Promise<string> {
    const path = `/${worker}/${encodeURIComponent(name)}?${search}`;
    const { status, text } = await this.#ask({ method: "GET", path });
    return status === 200 ? sortedJson(JSON.parse(text)) : "null";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }

  /** Without a status where no answer came; then the text says why. */
  async #ask(request: {
    readonly method: "GET" | "POST";
    readonly path: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  }): Promise<{ readonly status?: number; readonly text: string }> {
    const waits = { headersTimeout: requestMs, bodyTimeout: requestMs, signal: this.#signal };
    try {
      const { statusCode, body } = await this.#pool.request({ ...request, ...waits });
      return { status: statusCode, text: await body.text() };
    } catch (thrown) {
      this.#signal.throwIfAborted();
      return { text: asError(thrown).message };
    }
  }
}
