import { type Address, formatAddress } from "../lib/address.ts";
import { type Clock, settledWithin } from "../lib/clock.ts";
import type { Readiness } from "../lib/http/readiness.ts";
import type { Log } from "../lib/log.ts";
import { Health } from "./health.ts";
import type { BalancerLimits } from "./limits.ts";
import { Probe } from "./probe.ts";
import { Pool } from "./upstream/pool.ts";

/** A gateway as the operator sees it. */
export interface GatewaySnapshot {
  readonly name: string;
  readonly healthy: boolean;
  readonly inFlight: number;
  /** Requests sent to it since it was added, second attempts included. */
  readonly requests: number;
  /** Of these, how many it broke or did not answer in time. */
  readonly failures: number;
  readonly ejections: number;
  readonly draining: boolean;
}

export interface MemberOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: BalancerLimits;
  /** It may be picked now, or no longer. */
  readonly changed: () => void;
}

/** One gateway among those that the balancer knows: its connections, its health, what it does. */
export class GatewayMember implements AsyncDisposable {
  readonly name: string;
  readonly address: Address;
  readonly pool: Pool;
  readonly #health: Health;
  readonly #probe: Probe;
  readonly #options: MemberOptions;
  #inFlight = 0;
  #requests = 0;
  /** Its requests when it was last found ready; undefined since it was found otherwise. */
  #requestsWhenReady: number | undefined;
  #failures = 0;
  #isDraining = false;
  /** Those who wait until nothing is in flight. */
  #waiting: (() => void)[] = [];

  constructor(name: string, address: Address, options: MemberOptions) {
    const { clock, limits } = options;
    this.name = name;
    this.address = address;
    this.#options = options;
    this.pool = new Pool(address, {
      clock,
      connectionsMax: limits.gatewayConnectionsMax,
      idleMs: limits.gatewayIdleMs,
    });
    this.#health = new Health(clock, limits, (state) => {
      const level = state === "ready" ? "info" : "warn";
      options.log[level]({ gateway: name, state }, `Gateway ${name} is ${state}.`);
      options.changed();
    });
    this.#probe = new Probe(address, {
      clock,
      intervalMs: limits.probeIntervalMs,
      timeoutMs: limits.probeTimeoutMs,
      isAtRest: () => this.#requests === this.#requestsWhenReady,
      found: (result) => this.#probed(result),
    });
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Whether it should get requests. */
  get isEligible(): boolean {
    return this.#health.state === "ready" && !this.#isDraining;
  }

  began(): void {
    this.#inFlight++;
    this.#requests++;
  }

  /** A request to it is over. */
  ended(result: "answered" | "failed" | "no matter"): void {
    this.#inFlight--;
    if (result === "answered") this.#health.answered();
    if (result === "failed") {
      this.#failures++;
      this.#health.failed("request");
    }
    if (this.#inFlight === 0) for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Probes it now, instead of when its turn comes. */
  probe(): Promise<void> {
    return this.#probe.ask();
  }

  /** No new requests; resolves once those in flight are answered, or the drain's time is over. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#options.changed();
    await this.#idle();
    this.pool.closeIdle();
  }

  resume(): void {
    this.#isDraining = false;
    // Connections from before a restart would each cost a second attempt.
    this.pool.closeIdle();
    this.#health.reset();
    this.#options.changed();
  }

  /** Lets what is in flight finish, then lets go of everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDraining = true;
    this.#probe[Symbol.dispose]();
    await this.#idle();
    this.pool.destroy();
  }

  snapshot(): GatewaySnapshot {
    return {
      name: this.name,
      healthy: this.#health.state === "ready",
      inFlight: this.#inFlight,
      requests: this.#requests,
      failures: this.#failures,
      ejections: this.#health.ejections,
      draining: this.#isDraining,
    };
  }

  #probed(result: Readiness): void {
    this.#requestsWhenReady = result === "ready" ? this.#requests : undefined;
    this.pool.closeStale();
    if (result === "silent") {
      this.#health.failed("probe");
      // Whoever waits for it would wait in vain; what is safe to repeat gets its answer elsewhere.
      if (this.#health.state === "ejected") this.pool.breakOff();
    } else this.#health.probed(result === "ready");
  }

  async #idle(): Promise<void> {
    if (this.#inFlight === 0) return;
    const { clock, limits, log } = this.#options;
    const drained = new Promise<void>((resolve) => this.#waiting.push(resolve));
    await settledWithin(clock, limits.drainMs, drained);
    if (this.#inFlight === 0) return;
    const fields = { gateway: this.name, inFlight: this.#inFlight };
    log.warn(fields, `${formatAddress(this.address)} still has requests after its drain.`);
  }
}
