import { Client, Pool } from "undici";
import { type Address, originOf } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import { peerHeader } from "../lib/http/peer-token.ts";
import { fromWire } from "../lib/http/wire-error.ts";
import { limits } from "../lib/limits.ts";

/** All of them are safe to repeat. */
export interface WireRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Record<string, string>;
}

export interface InstanceLinkOptions {
  readonly clock: Clock;
  /** What the instance wants to be shown, where it is on another host. */
  readonly token: string | undefined;
}

/**
 * One instance of a worker, as gateways reach it: its connections, and the breaker that keeps
 * requests from waiting for one that is not there.
 *
 * ```
 *              failures in a row, or silence
 *   reachable ───────────────────────────────▶ broken ──┐
 *       ▲                                        │ ▲     │ asked for its health: not ready
 *       └────────── it says that it is ready ────┘ └─────┘
 * ```
 *
 * No request ever finds out whether a broken instance is back: that is asked beside them. And since
 * a host that was cut off answers neither yes nor no, an instance that owes an answer for a while
 * and has said nothing since is asked for its health, too; meanwhile others are preferred.
 */
export class InstanceLink {
  readonly #address: Address;
  readonly #clock: Clock;
  readonly #headers: Record<string, string>;
  readonly #prober: Client;
  readonly #timer: Disposable;
  #pool: Pool;
  #isReachable = true;
  #isProbing = false;
  #failures = 0;
  #inFlight = 0;
  /** When it last answered, or last began to owe an answer. */
  #heardMs = 0;

  constructor(address: Address, { clock, token }: InstanceLinkOptions) {
    this.#address = address;
    this.#clock = clock;
    this.#headers = token === undefined ? {} : { [peerHeader]: token };
    this.#pool = poolAt(address);
    this.#prober = new Client(urlOf(address), {
      ...socketOf(address),
      connectTimeout: limits.linkConnectMs,
      headersTimeout: limits.linkSilenceMs,
    });
    this.#timer = clock.every(limits.linkProbeMs, () => void this.#watch());
  }

  /** Whether requests should go to it: not broken; and, of several, not under suspicion. */
  get isReachable(): boolean {
    return this.#isReachable;
  }

  get isDoubtful(): boolean {
    return this.#isProbing;
  }

  /**
   * @throws MillraceError where the worker refuses; anything else where the instance is not to be
   * reached
   */
  async ask(request: WireRequest, signal?: AbortSignal): Promise<string> {
    if (this.#inFlight++ === 0) this.#heardMs = this.#clock.monotonic();
    try {
      const { statusCode, text } = await this.#send(request, signal);
      const refusal = statusCode === 200 ? undefined : fromWire(JSON.parse(text));
      this.#failures = 0;
      this.#heardMs = this.#clock.monotonic();
      if (refusal === undefined) return text;
      throw refusal;
    } finally {
      this.#inFlight--;
    }
  }

  async close(): Promise<void> {
    this.#timer[Symbol.dispose]();
    await Promise.all([this.#prober.destroy(), this.#pool.close()]);
  }

  async #send(request: WireRequest, signal: AbortSignal | undefined) {
    try {
      const { statusCode, body } = await this.#pool.request({
        ...request,
        headers: { ...this.#headers, ...request.headers },
        ...(signal === undefined ? {} : { signal }),
      });
      return { statusCode, text: await body.text() };
    } catch (error) {
      if (signal?.aborted !== true && ++this.#failures >= limits.linkFailuresMax) this.#break();
      throw error;
    }
  }

  /** Whoever waits for it would wait in vain: all that is asked of it may be asked elsewhere. */
  #break(): void {
    if (!this.#isReachable) return;
    this.#isReachable = false;
    void this.#pool.destroy();
    this.#pool = poolAt(this.#address);
  }

  async #watch(): Promise<void> {
    const owedMs = this.#inFlight === 0 ? 0 : this.#clock.monotonic() - this.#heardMs;
    if (this.#isProbing || (this.#isReachable && owedMs < limits.linkPatienceMs)) return;
    this.#isProbing = true;
    const found = await this.#probe();
    this.#isProbing = false;
    if (found !== "silent") this.#heardMs = this.#clock.monotonic();
    if (found === "silent") this.#break();
    else if (found === "ready" && !this.#isReachable) {
      this.#failures = 0;
      this.#isReachable = true;
    }
  }

  async #probe(): Promise<"ready" | "unready" | "silent"> {
    try {
      const { statusCode, body } = await this.#prober.request({ method: "GET", path: "/readyz" });
      await body.dump();
      return statusCode === 200 ? "ready" : "unready";
    } catch {
      return "silent";
    }
  }
}

const poolAt = (address: Address): Pool =>
  new Pool(urlOf(address), {
    ...socketOf(address),
    connections: limits.linkConnectionsMax,
    connectTimeout: limits.linkConnectMs,
    keepAliveTimeout: limits.linkKeepAliveMs,
    headersTimeout: limits.requestTimeoutMs + limits.preferWaitSecondsMax * 1_000,
    bodyTimeout: limits.requestTimeoutMs,
  });

const urlOf = (address: Address): string =>
  "socketPath" in address ? "http://worker" : originOf(address);

const socketOf = (address: Address) =>
  "socketPath" in address ? { socketPath: address.socketPath } : {};
