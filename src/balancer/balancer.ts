import { Server as NetServer } from "node:net";
import type { Address } from "../lib/address.ts";
import { type Clock, settledWithin, systemClock } from "../lib/clock.ts";
import { idMaker } from "../lib/ids.ts";
import type { Service } from "../lib/lifecycle.ts";
import { listen } from "../lib/listen.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { type Random, systemRandom } from "../lib/random.ts";
import type { Tracing } from "../tracing/tracing.ts";
import { ByteBudget } from "./body-buffer.ts";
import { Deadlines } from "./deadlines.ts";
import { Forwarder } from "./forwarder.ts";
import type { GatewaySnapshot } from "./gateway-member.ts";
import { type GatewayAddress, Gateways } from "./gateways.ts";
import { inboundServer } from "./inbound.ts";
import { type BalancerLimits, balancerLimits } from "./limits.ts";
import type { Policy } from "./picker.ts";

export interface BalancerOptions {
  readonly listen: Address;
  readonly gateways: readonly GatewayAddress[];
  /** `least-busy` unless said. */
  readonly policy?: Policy;
  /**
   * Paths of webhooks. Their POSTs publish events just as those to `/events` and `/events/{type}`
   * do, and they get their sender's headers, which signatures are about.
   */
  readonly publishPaths?: readonly string[];
  /** The public address, without a slash at its end. */
  readonly baseUrl?: string;
  /** What gateways on other hosts want to be shown. */
  readonly peer?: string | undefined;
  readonly tracing: Tracing;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  readonly limits?: Partial<BalancerLimits>;
}

export interface BalancerSnapshot {
  readonly gateways: readonly GatewaySnapshot[];
}

/** Spreads requests over gateways. Once started it listens, with gateways or without. */
export interface Balancer extends Service {
  /** Where it listens; as it was asked to before it is started. */
  readonly address: Address;
  /** Sends a gateway no more requests; resolves once it has answered those in flight. */
  drain(name: string): Promise<void>;
  /** Sends a drained (and perhaps restarted) gateway requests again. */
  resume(name: string): void;
  /** Replaces the gateways. Those that stay (same name, same address) keep what they are doing. */
  setGateways(gateways: readonly GatewayAddress[]): void;
  snapshot(): BalancerSnapshot;
}

/** Makes a load balancer; `start` lets it listen. */
export function createBalancer(options: BalancerOptions): Balancer {
  return new OwnBalancer(options);
}

class OwnBalancer implements Balancer {
  readonly #options: BalancerOptions;
  readonly #limits: BalancerLimits;
  readonly #clock: Clock;
  readonly #gateways: Gateways;
  readonly #deadlines: Deadlines;
  readonly #forwarder: Forwarder;
  readonly #server: ReturnType<typeof inboundServer>;
  #address: Address;
  #stopped: Promise<void> | undefined;

  constructor(options: BalancerOptions) {
    const { clock = systemClock, log = silentLog, random = systemRandom, tracing } = options;
    const limits = balancerLimits(options.limits);
    this.#options = options;
    this.#limits = limits;
    this.#clock = clock;
    this.#address = options.listen;
    this.#gateways = new Gateways({ policy: options.policy ?? "least-busy", clock, log, limits });
    this.#gateways.set(options.gateways);
    this.#deadlines = new Deadlines(clock, limits.timeoutCheckMs);
    this.#forwarder = new Forwarder({
      gateways: this.#gateways,
      deadlines: this.#deadlines,
      budget: new ByteBudget(limits.replayBytesMax),
      limits,
      clock,
      log,
      tracing,
      newId: idMaker(clock, random),
      webhookPaths: new Set(options.publishPaths),
      isStopping: () => this.#stopped !== undefined,
      baseUrl: options.baseUrl,
      peer: options.peer,
    });
    this.#server = inboundServer(this.#forwarder, limits);
  }

  get address(): Address {
    return this.#address;
  }

  async start(): Promise<void> {
    await this.#gateways.probe();
    this.#address = await listen(this.#server, this.#options.listen, "MILLRACE_PORT");
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async drain(name: string): Promise<void> {
    await this.#gateways.member(name).drain();
  }

  resume(name: string): void {
    this.#gateways.member(name).resume();
  }

  setGateways(gateways: readonly GatewayAddress[]): void {
    this.#gateways.set(gateways);
  }

  snapshot(): BalancerSnapshot {
    return { gateways: this.#gateways.snapshot() };
  }

  /**
   * Accepts no new connection, answers what is in flight, then lets go. On connections that are
   * kept a request may be on its way already: for a moment these are answered, each as its last.
   */
  async #stop(): Promise<void> {
    const { drainMs, lingerMs } = this.#limits;
    // Node's own `close` would first reset every connection that is idle at this moment.
    const closed = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(this.#server, () => resolve());
    });
    await settledWithin(this.#clock, drainMs, this.#forwarder.drained());
    await settledWithin(this.#clock, Math.min(drainMs, lingerMs), closed);
    await settledWithin(this.#clock, drainMs, this.#forwarder.drained());
    this.#server.closeAllConnections();
    await closed;
    await this.#gateways[Symbol.asyncDispose]();
    this.#deadlines[Symbol.dispose]();
  }
}
