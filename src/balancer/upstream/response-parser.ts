import { limits } from "../../lib/limits.ts";

/** The start of an answer. */
export interface AnswerHead {
  readonly status: number;
  /** Names and values in turn, as they came. */
  readonly headers: readonly string[];
  /** How many bytes of body will follow; undefined where they come in chunks. */
  readonly bodyBytes: number | undefined;
  /** False where the gateway will close the connection after this answer. */
  readonly isKeptAlive: boolean;
}

export interface AnswerEvents {
  head(head: AnswerHead): void;
  body(chunk: Buffer): void;
  /** The answer is complete. `isClean` is false where bytes follow that nobody asked for. */
  end(isClean: boolean): void;
}

/** Bytes that are no answer, or that could be read in two ways. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
}

type State = "idle" | "head" | "body" | "chunk-size" | "chunk" | "chunk-end" | "trailers";

const blankLine = Buffer.from("\r\n\r\n");
const crlf = Buffer.from("\r\n");
const empty = Buffer.alloc(0);

/**
 * Reads the answers of one connection, however their bytes are cut. It knows only what our own
 * gateways send and refuses the rest, because an answer read in another way than it was meant puts
 * every later answer on the connection into the wrong hands:
 *
 * ```
 *   idle ──expect──▶ head ──length──▶ body ─────────────────────────▶ idle
 *                    │  ▲ (1xx)
 *                    │  └──┘
 *                    └──chunked──▶ chunk-size ──0──▶ trailers ──────▶ idle
 *                                   ▲      │ n
 *                              chunk-end ◀─ chunk
 * ```
 */
export class ResponseParser {
  readonly #events: AnswerEvents;
  #state: State = "idle";
  #isHeadRequest = false;
  /** What came of a line or head that is not complete yet. */
  #partial: Buffer = empty;
  /** Bytes still to come of the body or chunk. */
  #bytesLeft = 0;

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  /** Whether the last answer was read to its end. */
  get isIdle(): boolean {
    return this.#state === "idle";
  }

  /** A request was sent; its answer comes next. Answers to HEAD have no body whatever they say. */
  expect(isHeadRequest: boolean): void {
    this.#state = "head";
    this.#isHeadRequest = isHeadRequest;
  }

  /** @throws AnswerError; then the connection is of no more use */
  push(bytes: Buffer): void {
    let rest = bytes;
    while (rest.length > 0) rest = this.#step(rest);
  }

  #step(bytes: Buffer): Buffer {
    switch (this.#state) {
      case "idle":
        throw new AnswerError("bytes without a request");
      case "head":
        return this.#upTo(blankLine, bytes, (text, rest) => this.#readHead(text, rest));
      case "chunk-size":
        return this.#upTo(crlf, bytes, (text) => this.#readChunkSize(text));
      case "chunk-end":
        return this.#upTo(crlf, bytes, (text) => this.#readChunkEnd(text));
      case "trailers":
        return this.#upTo(crlf, bytes, (text, rest) => this.#readTrailers(text, rest));
      case "body":
      case "chunk":
        return this.#readBody(bytes);
    }
  }

  /** Gathers bytes up to `mark`, then reads what stands before it. */
  #upTo(mark: Buffer, bytes: Buffer, read: (text: string, rest: Buffer) => void): Buffer {
    const known = this.#partial === empty ? bytes : Buffer.concat([this.#partial, bytes]);
    const end = known.indexOf(mark);
    const length = end < 0 ? known.length - mark.length : end;
    if (length > limits.headerBytesMax) {
      throw new AnswerError("too many header bytes");
    }
    if (end < 0) {
      this.#partial = known;
      return empty;
    }
    this.#partial = empty;
    const rest = known.subarray(end + mark.length);
    read(known.toString("latin1", 0, end), rest);
    return this.#state === "idle" ? empty : rest;
  }

  #readHead(text: string, rest: Buffer): void {
    const { head, isInterim, isChunked } = readHead(text, this.#isHeadRequest);
    if (isInterim) return;
    this.#events.head(head);
    if (isChunked) this.#state = "chunk-size";
    else {
      this.#bytesLeft = head.bodyBytes ?? 0;
      this.#state = "body";
      if (this.#bytesLeft === 0) this.#finish(rest);
    }
  }

  #readBody(bytes: Buffer): Buffer {
    const piece = bytes.length <= this.#bytesLeft ? bytes : bytes.subarray(0, this.#bytesLeft);
    const rest = bytes.subarray(piece.length);
    this.#bytesLeft -= piece.length;
    const isLast = this.#bytesLeft === 0;
    const isChunk = this.#state === "chunk";
    if (isLast && isChunk) this.#state = "chunk-end";
    this.#events.body(piece);
    if (!isLast || isChunk) return rest;
    this.#finish(rest);
    return empty;
  }

  #readChunkSize(text: string): void {
    if (!/^[0-9a-f]{1,8}$/i.test(text)) throw new AnswerError("a chunk's size is malformed");
    this.#bytesLeft = Number.parseInt(text, 16);
    this.#state = this.#bytesLeft === 0 ? "trailers" : "chunk";
  }

  #readChunkEnd(text: string): void {
    if (text !== "") throw new AnswerError("a chunk is longer than its size");
    this.#state = "chunk-size";
  }

  #readTrailers(text: string, rest: Buffer): void {
    if (text !== "") throw new AnswerError("the answer has trailers");
    this.#finish(rest);
  }

  #finish(rest: Buffer): void {
    this.#state = "idle";
    this.#events.end(rest.length === 0);
  }
}

interface ReadHead {
  readonly head: AnswerHead;
  readonly isInterim: boolean;
  readonly isChunked: boolean;
}

/**
 * A status line and header lines. One look at the whole head costs a fraction of one at each line.
 */
const headForm =
  /^HTTP\/1\.1 [1-5][0-9]{2}(?: [\t\x20-\x7e]*)?(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)*$/;

function readHead(text: string, isHeadRequest: boolean): ReadHead {
  if (!headForm.test(text)) throw new AnswerError("the head is malformed");
  const status = Number(text.slice(9, 12));
  if (status === 101) throw new AnswerError("the connection was switched to another protocol");
  const headers: string[] = [];
  let length: string | undefined;
  let coding: string | undefined;
  let isKeptAlive = true;
  for (let end = lineEnd(text, 0); end < text.length; ) {
    const start = end + crlf.length;
    const colon = text.indexOf(":", start);
    end = lineEnd(text, colon);
    const name = text.slice(start, colon);
    const value = text.slice(colon + 1, end).trim();
    headers.push(name, value);
    if (isNamed(name, "content-length")) length = once(length, value);
    else if (isNamed(name, "transfer-encoding")) coding = once(coding, value);
    else if (isNamed(name, "connection")) isKeptAlive &&= !/(^|,)\s*close\s*(,|$)/i.test(value);
  }
  const isChunked = readCoding(coding, length);
  const isInterim = status < 200;
  const isBodiless = isHeadRequest || isInterim || status === 204 || status === 304;
  if (!isBodiless && !isChunked && length === undefined) {
    throw new AnswerError("the answer does not say where it ends");
  }
  const bodyBytes = isBodiless ? 0 : isChunked ? undefined : readLength(length);
  return {
    head: { status, headers, bodyBytes, isKeptAlive },
    isInterim,
    isChunked: isChunked && !isBodiless,
  };
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\r\n", from);
  return end < 0 ? text.length : end;
}

/** Most names are told apart by their lengths. */
const isNamed = (name: string, known: string): boolean =>
  name.length === known.length && name.toLowerCase() === known;

function once(known: string | undefined, value: string): string {
  if (known !== undefined) throw new AnswerError("the body's length is given twice");
  return value;
}

function readCoding(coding: string | undefined, length: string | undefined): boolean {
  if (coding === undefined) return false;
  if (coding.toLowerCase() !== "chunked") throw new AnswerError("the transfer coding is unknown");
  if (length !== undefined) throw new AnswerError("the body's length is given twice");
  return true;
}

function readLength(length: string | undefined): number {
  if (length === undefined || !/^(0|[1-9][0-9]{0,14})$/.test(length)) {
    throw new AnswerError("the content length is malformed");
  }
  return Number(length);
}
