import type { Address } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import { type Readiness, ReadinessQuestion } from "../lib/http/readiness.ts";
import { limits } from "../lib/limits.ts";

export interface ProbeOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Whether it was ready and has had no request since: then most probes are left out. */
  readonly isAtRest: () => boolean;
  /** Hears the result of each probe. */
  readonly found: (result: Readiness) => void;
}

/** Asks a gateway whether it is ready, again and again, one at a time. */
export class Probe implements Disposable {
  readonly #question: ReadinessQuestion;
  readonly #options: ProbeOptions;
  readonly #timer: Disposable;
  #leftOut = 0;
  #isAsking = false;
  #isDisposed = false;

  constructor(address: Address, options: ProbeOptions) {
    this.#question = new ReadinessQuestion(address, options);
    this.#options = options;
    this.#timer = options.clock.every(options.intervalMs, () => this.#turn());
  }

  /** Probes now. Does nothing while an earlier probe is still waiting. */
  async ask(): Promise<void> {
    if (this.#isAsking || this.#isDisposed) return;
    this.#isAsking = true;
    this.#leftOut = 0;
    const result = await this.#question.ask();
    this.#isAsking = false;
    if (!this.#isDisposed) this.#options.found(result);
  }

  #turn(): void {
    if (this.#leftOut < limits.probesLeftOutMax && this.#options.isAtRest()) this.#leftOut++;
    else void this.ask();
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#timer[Symbol.dispose]();
    this.#question[Symbol.dispose]();
  }
}
