import type { Socket } from "node:net";
import { nextTick } from "node:process";
import { limits } from "../limits.ts";
import { type Answer, answerLine, lineReader, type Question, readQuestion } from "./messages.ts";

export interface AnswererOptions {
  readonly socket: Socket;
  /** Never rejects. The signal aborts when nobody waits for the answer any more. */
  readonly answer: (question: Question, signal: AbortSignal) => Promise<Answer>;
  readonly closed: () => void;
  /** What is answered once it ends. */
  readonly ended: () => Answer;
}

/** The other side of an `Asker`: answers what comes on one connection, until it ends. */
export class Answerer {
  readonly #socket: Socket;
  readonly #answer: AnswererOptions["answer"];
  readonly #ended: AnswererOptions["ended"];
  readonly #underWay = new Map<number, AbortController>();
  #unsent = "";
  #isEnding = false;

  constructor({ socket, answer, closed, ended }: AnswererOptions) {
    this.#socket = socket;
    this.#answer = answer;
    this.#ended = ended;
    socket.setNoDelay(true);
    socket.setTimeout(0);
    // A host that is gone without a word is noticed some time.
    socket.setKeepAlive(true, limits.linkKeepAliveMs);
    const read = lineReader((line) => this.#read(line), limits.questionLengthMax);
    socket.on("data", (piece: Buffer) => {
      try {
        // An address in a request is ASCII.
        read(piece.toString("latin1"));
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("end", () => socket.destroy());
    // Whoever breaks off is heard of by its close.
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const gone of this.#underWay.values()) gone.abort();
      this.#underWay.clear();
      closed();
    });
  }

  /** Answers what has been asked, and that it ends to what is asked meanwhile; then it does. */
  end(): void {
    this.#isEnding = true;
    this.#endIfDone();
  }

  #read(line: string): void {
    const { number, question } = readQuestion(line);
    if (question === undefined) this.#drop(number);
    else if (this.#isEnding) this.#send(answerLine(number, this.#ended()));
    else this.#begin(number, question);
  }

  #drop(number: number): void {
    this.#underWay.get(number)?.abort();
    this.#underWay.delete(number);
    this.#endIfDone();
  }

  #begin(number: number, question: Question): void {
    const gone = new AbortController();
    this.#underWay.set(number, gone);
    void this.#answer(question, gone.signal).then((answer) => {
      // Nobody waits for it, or the connection has been closed.
      if (!this.#underWay.delete(number)) return;
      this.#send(answerLine(number, answer));
      this.#endIfDone();
    });
  }

  /** What is answered in one turn goes out together. */
  #send(line: string): void {
    if (this.#unsent === "") nextTick(() => this.#sendNow());
    this.#unsent += line;
  }

  #sendNow(): void {
    const lines = this.#unsent;
    this.#unsent = "";
    this.#socket.write(lines);
  }

  #endIfDone(): void {
    if (!this.#isEnding || this.#underWay.size > 0) return;
    nextTick(() => this.#socket.destroySoon());
  }
}
