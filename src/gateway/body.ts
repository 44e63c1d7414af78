import type { IncomingMessage } from "node:http";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Arrival, ArrivalWatch } from "./arrival-watch.ts";

export type BodyRead = (error: Error | null, body?: Buffer) => void;

/**
 * Reads a whole body, counting its bytes instead of believing its length. A callback, since a
 * promise would cost a turn on the hot path.
 */
export function readBody(request: IncomingMessage, watch: ArrivalWatch, done: BodyRead): void {
  new WholeBody(request, watch, done);
}

class WholeBody implements Arrival {
  bytes = 0;
  readonly #watch: ArrivalWatch;
  readonly #done: BodyRead;
  readonly #chunks: Buffer[] = [];
  #isDone = false;

  constructor(request: IncomingMessage, watch: ArrivalWatch, done: BodyRead) {
    this.#watch = watch;
    this.#done = done;
    watch.add(this, limits.requestTimeoutMs);
    request.on("data", (chunk: Buffer) => this.#add(chunk));
    request.on("end", () => this.#finish(null));
    // A connection that breaks off is an error here too.
    request.on("error", (cause) => this.#finish(brokenOff(cause)));
  }

  giveUp(error: MillraceError): void {
    this.#finish(error);
  }

  /** What comes after the end was given up on is thrown away. */
  #add(chunk: Buffer): void {
    if (this.#isDone) return;
    this.bytes += chunk.length;
    if (this.bytes > limits.bodyBytesMax) this.#finish(tooLarge());
    else this.#chunks.push(chunk);
  }

  #finish(error: Error | null): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#watch.delete(this);
    const [first] = this.#chunks;
    if (error !== null) this.#done(error);
    else if (this.#chunks.length === 1) this.#done(null, first);
    else this.#done(null, Buffer.concat(this.#chunks, this.bytes));
    this.#chunks.length = 0;
  }
}

const brokenOff = (cause?: unknown): MillraceError =>
  new MillraceError("MR_REQUEST_INVALID", "The body broke off.", { cause });

const tooLarge = (): MillraceError =>
  new MillraceError("MR_BODY_TOO_LARGE", `A body has at most ${limits.bodyBytesMax} bytes.`);

/**
 * A body piece by piece, for streams that are never held whole: nothing is read from the socket
 * while nobody asks, so a slow reader slows the sender. Unlike the stream's own iterator it can be
 * left early without destroying the connection, over which the refusal still has to go.
 */
export class BodyStream implements Arrival, Disposable {
  readonly #request: IncomingMessage;
  readonly #watch: ArrivalWatch;
  readonly #pieces: Buffer[] = [];
  bytes = 0;
  #isEnded = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(request: IncomingMessage, watch: ArrivalWatch) {
    this.#request = request;
    this.#watch = watch;
    watch.add(this, limits.ndjsonTimeoutMs);
    request.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onError);
    request.on("close", this.#onClose).pause();
  }

  giveUp(error: MillraceError): void {
    this.#onError(error);
  }

  /** The next piece; undefined at the end. One call at a time. */
  async read(): Promise<Buffer | undefined> {
    while (this.#pieces.length === 0) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#isEnded) return undefined;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#request.resume();
      await woken;
    }
    return this.#pieces.shift();
  }

  [Symbol.dispose](): void {
    this.#watch.delete(this);
    this.#request.off("data", this.#onData).off("end", this.#onEnd);
    this.#request.off("error", this.#onError).off("close", this.#onClose);
  }

  readonly #onData = (piece: Buffer) => {
    this.bytes += piece.length;
    this.#pieces.push(piece);
    this.#request.pause();
    this.#wake();
  };
  readonly #onEnd = () => {
    this.#isEnded = true;
    this.#wake();
  };
  readonly #onError = (error: Error) => {
    this.#error ??= error;
    this.#wake();
  };
  readonly #onClose = () => {
    if (!this.#isEnded) this.#onError(brokenOff());
  };
}
