import { Agent, type IncomingMessage, request } from "node:http";
import type { Address } from "../address.ts";
import type { Clock } from "../clock.ts";

/** What a box says of itself: `silent` where no answer came in time. */
export type Readiness = "ready" | "unready" | "silent";

export interface ReadinessOptions {
  readonly clock: Clock;
  /** For the whole question, connecting included: within it a host that was cut off is found. */
  readonly timeoutMs: number;
}

/** Asks a box's `/readyz`, over a connection of its own that is kept from one time to the next. */
export class ReadinessQuestion implements Disposable {
  readonly #address: Address;
  readonly #options: ReadinessOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });

  constructor(address: Address, options: ReadinessOptions) {
    this.#address = address;
    this.#options = options;
  }

  ask(): Promise<Readiness> {
    const { promise, resolve } = Promise.withResolvers<Readiness>();
    const asked = request({ ...this.#address, path: "/readyz", agent: this.#agent });
    const patience = this.#options.clock.after(this.#options.timeoutMs, () => asked.destroy());
    asked.on("response", (answer: IncomingMessage) => {
      answer.on("end", () => resolve(answer.statusCode === 200 ? "ready" : "unready")).resume();
    });
    // Always followed by its end.
    asked.on("error", () => {});
    asked.on("close", () => {
      patience[Symbol.dispose]();
      resolve("silent");
    });
    asked.end();
    return promise;
  }

  /** Breaks off what is being asked. */
  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
