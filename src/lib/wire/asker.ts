import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers";
import type { Address } from "../address.ts";
import type { Clock } from "../clock.ts";
import { peerHeader } from "../http/peer-token.ts";
import { fromWire } from "../http/wire-error.ts";
import {
  type Answer,
  goneLine,
  lineReader,
  type Question,
  questionLine,
  readAnswer,
  wirePath,
  wireProtocol,
} from "./messages.ts";

export interface AskerOptions {
  readonly clock: Clock;
  /** What has to be shown, where the other side is on another host. */
  readonly token: string | undefined;
  /** Questions under way; those beyond it wait for their turn. */
  readonly questionsMax: number;
  readonly connectMs: number;
  /** From a question to its whole answer. */
  readonly answerMs: number;
  /** A connection that nothing is asked over for so long is closed: it may not be one any more. */
  readonly idleMs: number;
}

/** A question under way. */
interface Asked {
  readonly number: number;
  readonly question: Question;
  readonly askedMs: number;
  readonly answered: (answer: Answer) => void;
  readonly failed: (reason: unknown) => void;
}

/**
 * Asks another box, over one connection that is opened with the first question, and again after it
 * broke: then what was under way fails, and whoever asked may ask again, here or elsewhere.
 *
 * ```
 *   closed ──a question──▶ opening ──switched──▶ open
 *     ▲                       │ refused, failed,   │ broke
 *     └───────────────────────┴─ or too late ──────┘
 * ```
 *
 * It has no timer: whoever owns it calls `check` now and then, and its times are kept to within
 * that.
 */
export class Asker {
  readonly #address: Address;
  readonly #options: AskerOptions;
  readonly #underWay = new Map<number, Asked>();
  readonly #waiting: Asked[] = [];
  #opening: ClientRequest | undefined;
  #openedBy = 0;
  #socket: Socket | undefined;
  /** When something was under way last. */
  #usedMs = 0;
  /** When the connection was opened, or said something last. */
  #heardMs = 0;
  #unsent = "";
  #isSendingSoon = false;
  #last = 0;
  #isClosed = false;
  #whenIdle: (() => void)[] = [];

  constructor(address: Address, options: AskerOptions) {
    this.#address = address;
    this.#options = options;
  }

  /** Rejects where no answer came, also because the signal said that nobody waits for it. */
  ask(question: Question, signal?: AbortSignal): Promise<Answer> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#isClosed) return Promise.reject(new Error("the connection is closed for good"));
    return new Promise((resolve, reject) => {
      const gone = () => this.#giveUp(asked, signal?.reason);
      const asked: Asked = {
        number: ++this.#last,
        question,
        askedMs: this.#options.clock.monotonic(),
        answered(answer) {
          signal?.removeEventListener("abort", gone);
          resolve(answer);
        },
        failed(reason) {
          signal?.removeEventListener("abort", gone);
          reject(reason);
        },
      };
      signal?.addEventListener("abort", gone, { once: true });
      if (this.#underWay.size < this.#options.questionsMax) this.#begin(asked);
      else this.#waiting.push(asked);
    });
  }

  /** Gives up on what took too long. */
  check(): void {
    const { clock, answerMs, idleMs } = this.#options;
    const nowMs = clock.monotonic();
    if (nowMs >= this.#openedBy) this.#opening?.destroy(new Error("no connection came in time"));
    if (this.#underWay.size > 0) this.#usedMs = nowMs;
    else if (nowMs - this.#usedMs >= idleMs) this.#broke(new Error("nothing was asked"));
    for (const asked of [...this.#underWay.values(), ...this.#waiting]) {
      if (nowMs - asked.askedMs < answerMs) continue;
      const error = new Error("no answer came in time");
      // Nothing came to anybody in all that time: the connection leads nowhere.
      if (this.#underWay.has(asked.number) && this.#heardMs <= asked.askedMs) this.#broke(error);
      else this.#giveUp(asked, error);
    }
  }

  /** Lets what was asked be answered, and takes no more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#underWay.size > 0) await new Promise<void>((idle) => this.#whenIdle.push(idle));
    this.destroy(new Error("nobody asks any more"));
  }

  /** Fails what was asked, and takes no more. */
  destroy(error: Error): void {
    this.#isClosed = true;
    const waiting = this.#waiting.splice(0);
    this.#broke(error);
    for (const asked of waiting) asked.failed(error);
  }

  #begin(asked: Asked): void {
    const line = questionLine(asked.number, asked.question);
    this.#underWay.set(asked.number, asked);
    this.#usedMs = this.#options.clock.monotonic();
    if (this.#socket === undefined && this.#opening === undefined) this.#open();
    this.#send(line);
  }

  #open(): void {
    const { clock, token, connectMs } = this.#options;
    const own = token === undefined ? {} : { [peerHeader]: token };
    const opening = request({
      ...this.#address,
      agent: false,
      path: wirePath,
      headers: { connection: "Upgrade", upgrade: wireProtocol, ...own },
    });
    this.#opening = opening;
    this.#heardMs = clock.monotonic();
    this.#openedBy = this.#heardMs + connectMs;
    const failed = (error: Error) => {
      if (this.#opening === opening) this.#broke(error);
    };
    opening.once("upgrade", (_answer, socket: Socket) => {
      if (this.#opening !== opening) return void socket.destroy();
      this.#opening = undefined;
      this.#opened(socket);
    });
    opening.once("response", (answer: IncomingMessage) => {
      text(answer)
        .then((refusal) => failed(fromWire(JSON.parse(refusal))))
        .catch(failed);
    });
    opening.on("error", failed);
    opening.end();
  }

  #opened(socket: Socket): void {
    let error = new Error("the connection was closed");
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.setEncoding("utf8");
    const read = lineReader((line) => this.#answered(line));
    socket.on("data", (piece: string) => {
      this.#heardMs = this.#options.clock.monotonic();
      try {
        read(piece);
      } catch (thrown) {
        socket.destroy(thrown as Error);
      }
    });
    socket.on("end", () => socket.destroy());
    socket.on("error", (reason) => {
      error = reason;
    });
    socket.on("close", () => {
      if (this.#socket === socket) this.#broke(error);
    });
    this.#sendNow();
  }

  #answered(line: string): void {
    const { number, answer } = readAnswer(line);
    const asked = this.#underWay.get(number);
    // Unknown is one that was given up on meanwhile.
    if (asked === undefined) return;
    this.#end(asked);
    asked.answered(answer);
  }

  #giveUp(asked: Asked, reason: unknown): void {
    if (this.#underWay.has(asked.number)) {
      this.#send(goneLine(asked.number));
      this.#end(asked);
    } else {
      const at = this.#waiting.indexOf(asked);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
    }
    asked.failed(reason);
  }

  #end(asked: Asked): void {
    this.#underWay.delete(asked.number);
    const next = this.#waiting.shift();
    if (next !== undefined) this.#begin(next);
    if (this.#underWay.size === 0) for (const wake of this.#whenIdle.splice(0)) wake();
  }

  /** What was under way has no answer. What waits for its turn opens another connection. */
  #broke(error: unknown): void {
    const [socket, opening] = [this.#socket, this.#opening];
    this.#socket = undefined;
    this.#opening = undefined;
    this.#unsent = "";
    socket?.destroy();
    opening?.destroy();
    const lost = [...this.#underWay.values()];
    for (const asked of lost) {
      this.#end(asked);
      asked.failed(error);
    }
  }

  /** What is asked in one turn of the event loop goes out together. */
  #send(line: string): void {
    this.#unsent += line;
    if (this.#isSendingSoon) return;
    this.#isSendingSoon = true;
    setImmediate(() => {
      this.#isSendingSoon = false;
      this.#sendNow();
    });
  }

  #sendNow(): void {
    if (this.#socket === undefined || this.#unsent === "") return;
    this.#socket.write(this.#unsent, "latin1");
    this.#unsent = "";
  }
}
