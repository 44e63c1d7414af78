import type { Address } from "../../lib/address.ts";
import type { Clock } from "../../lib/clock.ts";
import { type ConnectionOwner, UpstreamConnection } from "./connection.ts";

export interface PoolOptions {
  readonly clock: Clock;
  readonly connectionsMax: number;
  readonly idleMs: number;
}

/** The connections to one gateway. The one used last is used next, so that the others can go. */
export class Pool implements ConnectionOwner {
  readonly #address: Address;
  readonly #options: PoolOptions;
  readonly #all = new Set<UpstreamConnection>();
  readonly #idle: UpstreamConnection[] = [];
  #isClosed = false;

  constructor(address: Address, options: PoolOptions) {
    this.#address = address;
    this.#options = options;
  }

  /** A connection for one request; undefined where as many as allowed are busy. */
  acquire(): UpstreamConnection | undefined {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      if (kept.isOpen) return kept;
    }
    if (this.#all.size >= this.#options.connectionsMax) return undefined;
    const connection = new UpstreamConnection(this.#address, this);
    this.#all.add(connection);
    return connection;
  }

  released(connection: UpstreamConnection): void {
    if (this.#isClosed) {
      connection.destroy();
      return;
    }
    connection.idleSinceMs = this.#options.clock.monotonic();
    this.#idle.push(connection);
  }

  closed(connection: UpstreamConnection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Closes what has been idle for too long, the oldest first. */
  closeStale(): void {
    const sinceMs = this.#options.clock.monotonic() - this.#options.idleMs;
    while (this.#idle[0] !== undefined && this.#idle[0].idleSinceMs < sinceMs) {
      this.#idle.shift()?.destroy();
    }
  }

  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  /** Closes what is idle now, and each busy connection after its answer. */
  close(): void {
    this.#isClosed = true;
    this.closeIdle();
  }

  /** Closes everything at once. */
  destroy(): void {
    this.close();
    this.breakOff();
  }

  /** Ends what is under way on all connections. */
  breakOff(): void {
    for (const connection of [...this.#all]) connection.destroy();
  }
}
