import type { IncomingMessage } from "node:http";
import type { MillraceError } from "../lib/errors.ts";
import type { Arrival, ArrivalWatch } from "../lib/http/arrival-watch.ts";
import { brokenOff } from "../lib/http/whole-body.ts";
import { limits } from "../lib/limits.ts";

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
    this.#isEnded = request.readableEnded;
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
