import { Client } from "undici";
import type { Address } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";

/** What a probe found: `silent` where no answer came in time. */
export type ProbeResult = "ready" | "unready" | "silent";

export interface ProbeOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Hears the result of each probe. */
  readonly found: (result: ProbeResult) => void;
}

/** Asks a gateway's `/readyz` again and again, over a connection of its own, one at a time. */
export class Probe implements AsyncDisposable {
  readonly #client: Client;
  readonly #options: ProbeOptions;
  readonly #timer: Disposable;
  #isAsking = false;
  #isDisposed = false;

  constructor(address: Address, options: ProbeOptions) {
    // A host that was cut off is found as soon as it is back, not when an old attempt ends.
    const patience = { connectTimeout: options.timeoutMs };
    this.#client =
      "socketPath" in address
        ? new Client("http://localhost", { ...patience, socketPath: address.socketPath })
        : new Client(originOf(address.host, address.port), patience);
    this.#options = options;
    this.#timer = options.clock.every(options.intervalMs, () => void this.ask());
  }

  /** Probes now. Does nothing while an earlier probe is still waiting. */
  async ask(): Promise<void> {
    if (this.#isAsking || this.#isDisposed) return;
    this.#isAsking = true;
    const result = await this.#result();
    this.#isAsking = false;
    if (!this.#isDisposed) this.#options.found(result);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#timer[Symbol.dispose]();
    await this.#client.destroy();
  }

  async #result(): Promise<ProbeResult> {
    const abort = new AbortController();
    using _timer = this.#options.clock.after(this.#options.timeoutMs, () => abort.abort());
    try {
      const { statusCode, body } = await this.#client.request({
        method: "GET",
        path: "/readyz",
        signal: abort.signal,
      });
      await body.dump();
      return statusCode === 200 ? "ready" : "unready";
    } catch {
      return "silent";
    }
  }
}

const originOf = (host: string, port: number): string =>
  host.includes(":") ? `http://[${host}]:${port}` : `http://${host}:${port}`;
