import type { Address } from "../lib/address.ts";
import type { Clock } from "../lib/clock.ts";
import { isMillraceError } from "../lib/errors.ts";
import { ReadinessQuestion } from "../lib/http/readiness.ts";
import { fromWire } from "../lib/http/wire-error.ts";
import { limits } from "../lib/limits.ts";
import { Asker } from "../lib/wire/asker.ts";
import type { Answer, Question } from "../lib/wire/messages.ts";

export interface InstanceLinkOptions {
  readonly clock: Clock;
  /** What the instance wants to be shown, where it is on another host. */
  readonly token: string | undefined;
}

/**
 * One instance of a worker, as gateways reach it: its connection, and the breaker that keeps
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
  readonly #token: string | undefined;
  readonly #readiness: ReadinessQuestion;
  readonly #timer: Disposable;
  #asker: Asker;
  #isReachable = true;
  #isProbing = false;
  #failures = 0;
  #inFlight = 0;
  /** When it last answered, or last began to owe an answer. */
  #heardMs = 0;

  constructor(address: Address, { clock, token }: InstanceLinkOptions) {
    this.#address = address;
    this.#clock = clock;
    this.#token = token;
    this.#asker = this.#newAsker();
    this.#readiness = new ReadinessQuestion(address, { clock, timeoutMs: limits.linkSilenceMs });
    this.#timer = clock.every(limits.linkProbeMs, () => {
      this.#asker.check();
      void this.#watch();
    });
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
  async ask(question: Question, signal?: AbortSignal): Promise<string> {
    if (this.#inFlight++ === 0) this.#heardMs = this.#clock.monotonic();
    let answer: Answer;
    try {
      answer = await this.#asker.ask(question, signal);
    } catch (error) {
      if (isMillraceError(error)) this.#heard();
      else if (signal?.aborted !== true && ++this.#failures >= limits.linkFailuresMax) {
        this.#break();
      }
      throw error;
    } finally {
      this.#inFlight--;
    }
    this.#heard();
    if (answer.status === 200) return answer.text;
    throw fromWire(JSON.parse(answer.text));
  }

  async close(): Promise<void> {
    await this.#asker.close();
    this.#timer[Symbol.dispose]();
    this.#readiness[Symbol.dispose]();
  }

  #heard(): void {
    this.#failures = 0;
    this.#heardMs = this.#clock.monotonic();
  }

  /** Whoever waits for it would wait in vain: all that is asked of it may be asked elsewhere. */
  #break(): void {
    if (!this.#isReachable) return;
    this.#isReachable = false;
    this.#asker.destroy(new Error("the instance is broken"));
    this.#asker = this.#newAsker();
  }

  async #watch(): Promise<void> {
    const owedMs = this.#inFlight === 0 ? 0 : this.#clock.monotonic() - this.#heardMs;
    if (this.#isProbing || (this.#isReachable && owedMs < limits.linkPatienceMs)) return;
    this.#isProbing = true;
    const found = await this.#readiness.ask();
    this.#isProbing = false;
    if (found !== "silent") this.#heardMs = this.#clock.monotonic();
    if (found === "silent") this.#break();
    else if (found === "ready" && !this.#isReachable) {
      this.#failures = 0;
      this.#isReachable = true;
    }
  }

  #newAsker(): Asker {
    return new Asker(this.#address, {
      clock: this.#clock,
      token: this.#token,
      questionsMax: limits.linkQuestionsMax,
      connectMs: limits.linkConnectMs,
      answerMs: limits.requestTimeoutMs + limits.preferWaitSecondsMax * 1_000,
      idleMs: limits.linkKeepAliveMs,
    });
  }
}
