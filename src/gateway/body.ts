import type { IncomingMessage } from "node:http";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";

export type BodyRead = (error: Error | null, body?: Buffer) => void;

/**
 * Reads a whole body, counting its bytes instead of believing its length, and gives up on one that
 * comes too slowly: in each `bodyIdleMs` at least `bodyBytesPerIdleMin` must arrive, and all of it
 * in `requestTimeoutMs`. A callback, since a promise would cost a turn on the hot path.
 */
export function readBody(request: IncomingMessage, clock: Clock, done: BodyRead): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const watch = watchArrival(clock, limits.requestTimeoutMs, () => bytes, finish);

  function finish(error: Error | null): void {
    watch[Symbol.dispose]();
    request.off("data", onData).off("end", onEnd).off("error", finish).off("close", onClose);
    if (error !== null) done(error);
    else done(null, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks, bytes));
  }
  function onData(chunk: Buffer): void {
    bytes += chunk.length;
    if (bytes > limits.bodyBytesMax) finish(tooLarge());
    else chunks.push(chunk);
  }
  const onEnd = () => finish(null);
  const onClose = () => finish(brokenOff());
  request.on("data", onData).on("end", onEnd).on("error", finish).on("close", onClose);
}

/**
 * Calls `giveUp` once the bytes counted by `arrived` come slower than the minimum rate, or take
 * longer than `totalMs` together.
 */
export function watchArrival(
  clock: Clock,
  totalMs: number,
  arrived: () => number,
  giveUp: (error: MillraceError) => void,
): Disposable {
  const startedMs = clock.monotonic();
  let before = 0;
  const watch = clock.every(limits.bodyIdleMs, () => {
    const bytes = arrived();
    const isSlow = bytes - before < limits.bodyBytesPerIdleMin;
    before = bytes;
    if (!isSlow && clock.monotonic() - startedMs < totalMs) return;
    watch[Symbol.dispose]();
    giveUp(new MillraceError("MR_BODY_TIMEOUT", "The body did not arrive in time."));
  });
  return watch;
}

export const brokenOff = (): MillraceError =>
  new MillraceError("MR_REQUEST_INVALID", "The body broke off.");

const tooLarge = (): MillraceError =>
  new MillraceError("MR_BODY_TOO_LARGE", `A body has at most ${limits.bodyBytesMax} bytes.`);

/**
 * A body piece by piece, for streams that are never held whole: nothing is read from the socket
 * while nobody asks, so a slow reader slows the sender. Unlike the stream's own iterator it can be
 * left early without destroying the connection, over which the refusal still has to go.
 */
export class BodyStream implements Disposable {
  readonly #request: IncomingMessage;
  readonly #watch: Disposable;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #isEnded = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(request: IncomingMessage, clock: Clock) {
    this.#request = request;
    this.#watch = watchArrival(clock, limits.ndjsonTimeoutMs, () => this.#bytes, this.#onError);
    request.on("data", this.#onData).on("end", this.#onEnd).on("error", this.#onError);
    request.on("close", this.#onClose).pause();
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
    this.#watch[Symbol.dispose]();
    this.#request.off("data", this.#onData).off("end", this.#onEnd);
    this.#request.off("error", this.#onError).off("close", this.#onClose);
  }

  readonly #onData = (piece: Buffer) => {
    this.#bytes += piece.length;
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
