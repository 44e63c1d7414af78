import type { IncomingMessage } from "node:http";
import { MillraceError } from "../errors.ts";
import { limits } from "../limits.ts";
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
  #chunks: Buffer[] = [];
  #isDone = false;

  constructor(request: IncomingMessage, watch: ArrivalWatch, done: BodyRead) {
    this.#watch = watch;
    this.#done = done;
    watch.add(this, limits.requestTimeoutMs);
    request.on("data", (chunk: Buffer) => this.#add(chunk));
    request.on("end", () => this.#finish(null));
    // A connection that breaks off is an error here too.
    request.on("error", (cause) => this.#finish(brokenOff(cause)));
    // No body was announced: nothing is emitted any more.
    if (request.readableEnded) this.#finish(null);
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
    const chunks = this.#chunks;
    this.#chunks = [];
    if (error !== null) this.#done(error);
    else if (chunks.length === 1) this.#done(null, chunks[0]);
    else this.#done(null, Buffer.concat(chunks, this.bytes));
  }
}

export const brokenOff = (cause?: unknown): MillraceError =>
  new MillraceError("MR_REQUEST_INVALID", "The body broke off.", { cause });

const tooLarge = (): MillraceError =>
  new MillraceError("MR_BODY_TOO_LARGE", `A body has at most ${limits.bodyBytesMax} bytes.`);
