import type { Clock } from "../../lib/clock.ts";
import { limits } from "../../lib/limits.ts";
import type { Doorbell } from "../../queue/doorbell.ts";
import type { Connection } from "./connection.ts";

/**
 * Hears the commits of all processes, which the server tells to whoever listens. Correctness never
 * depends on it: who waits also looks now and then, and often while the bell is not connected.
 */
export class QueueBell {
  readonly #open: () => Promise<Connection>;
  readonly #channel: string;
  readonly #doorbell: Doorbell;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #connection: Connection | undefined;
  #running: Promise<void> | undefined;

  constructor(open: () => Promise<Connection>, channel: string, doorbell: Doorbell, clock: Clock) {
    this.#open = open;
    this.#channel = channel;
    this.#doorbell = doorbell;
    this.#clock = clock;
  }

  /** How long a reader may sleep between two looks of its own. */
  get lookMs(): number {
    return this.#connection?.isUsable === true ? limits.idleWaitMs : limits.queuePollMs;
  }

  listen(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#hear();
      } catch {
        // The readers tell what is wrong with the server.
      }
      await this.#clock.sleep(limits.queueBellRetryMs, this.#stop.signal);
    }
  }

  /** Resolves when the connection is gone. */
  async #hear(): Promise<void> {
    const connection = await this.#open();
    try {
      const over = new Promise<void>((resolve) => {
        connection.onBreak(resolve);
        this.#stop.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      connection.onNotification(() => this.#doorbell.ring());
      await connection.control(`listen "${this.#channel}"`);
      this.#connection = connection;
      // What came before anybody listened.
      this.#doorbell.ring();
      if (!this.#stop.signal.aborted) await over;
    } finally {
      this.#connection = undefined;
      await connection.end();
    }
  }
}
