import { connect, type Socket } from "node:net";
import { type Address, connectOptions } from "../../lib/address.ts";
import { AnswerError, type AnswerHead, ResponseParser } from "./response-parser.ts";

/** What a request hears of its answer. After `end` or `failed` nothing more comes. */
export interface AnswerHandler {
  head(head: AnswerHead): void;
  body(chunk: Buffer): void;
  end(): void;
  failed(failure: Failure): void;
  /** The connection takes bytes again, after `write` said no or before it was open. */
  drained(): void;
}

export interface Failure {
  readonly error: Error;
  /** True where no byte of the request can have reached the gateway. */
  readonly isUnsent: boolean;
  /** True where a connection that served before said nothing: it may have closed in between. */
  readonly isStale: boolean;
}

/** Whom a connection belongs to. */
export interface ConnectionOwner {
  /** It can serve another request. */
  released(connection: UpstreamConnection): void;
  closed(connection: UpstreamConnection): void;
}

/** Up to this many bytes, a body is copied behind its head. */
const joinedBytesMax = 16_384;

/**
 * One connection to a gateway, one request at a time. It serves another only after request and
 * answer were both complete and nothing was left over; whatever is unclear closes it.
 *
 * ```
 *   idle ──begin──▶ busy ──answer and request complete, all clean──▶ idle
 *     └──────────────┴──error, end, stray bytes, early answer──▶ closed
 * ```
 */
export class UpstreamConnection {
  /** When it was last released, on the owner's clock. */
  idleSinceMs = 0;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #parser: ResponseParser;
  #handler: AnswerHandler | undefined;
  #error: Error | undefined;
  #isConnected = false;
  #isRequestSent = false;
  #isKeptAlive = true;
  #answers = 0;
  /** Whether anything of the current answer has come. */
  #isAnswering = false;

  constructor(address: Address, owner: ConnectionOwner) {
    this.#owner = owner;
    this.#parser = new ResponseParser({
      head: (head) => {
        this.#isKeptAlive = head.isKeptAlive;
        this.#handler?.head(head);
      },
      body: (chunk) => this.#handler?.body(chunk),
      end: (isClean) => this.#end(isClean),
    });
    this.#socket = connect(connectOptions(address));
    this.#socket.on("connect", () => {
      this.#isConnected = true;
      this.#handler?.drained();
    });
    this.#socket.on("data", (bytes: Buffer) => this.#read(bytes));
    this.#socket.on("drain", () => this.#handler?.drained());
    this.#socket.on("end", () => this.destroy(new Error("the gateway closed the connection")));
    this.#socket.on("error", (error) => {
      this.#error ??= error;
    });
    this.#socket.on("close", () => this.#closed());
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#error === undefined;
  }

  /** Begins a request with its head; `body` goes along in the same write. */
  begin(handler: AnswerHandler, head: string, isHeadRequest: boolean, body?: Buffer): void {
    this.#handler = handler;
    this.#isRequestSent = false;
    this.#isAnswering = false;
    this.#parser.expect(isHeadRequest);
    corkForTurn(this.#socket);
    if (body === undefined) {
      this.#socket.write(head, "latin1");
    } else if (body.length <= joinedBytesMax) {
      // One write of one buffer: copying a little costs far less than a system call for two.
      this.#socket.write(head + body.toString("latin1"), "latin1");
    } else {
      this.#socket.cork();
      this.#socket.write(head, "latin1");
      this.#socket.write(body);
      this.#socket.uncork();
    }
  }

  /** Sends more of the body. False: wait for `drained`. */
  write(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  /** Sends more of the body as one chunk of a chunked one. False: wait for `drained`. */
  writeChunk(bytes: Buffer): boolean {
    this.#socket.cork();
    this.#socket.write(`${bytes.length.toString(16)}\r\n`, "latin1");
    this.#socket.write(bytes);
    const isTaken = this.#socket.write("\r\n", "latin1");
    this.#socket.uncork();
    return isTaken;
  }

  /** The request is complete. */
  requestSent(lastBytes?: string): void {
    if (lastBytes !== undefined) this.#socket.write(lastBytes, "latin1");
    this.#isRequestSent = true;
  }

  /** Stops reading while the client takes nothing, so that the gateway feels it. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Lets go of the handler, which hears nothing any more, and closes. */
  abandon(): void {
    this.#handler = undefined;
    this.destroy();
  }

  destroy(error?: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#isAnswering = true;
    try {
      this.#parser.push(bytes);
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      this.destroy(error);
    }
  }

  #end(isClean: boolean): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#answers++;
    if (isClean && this.#isKeptAlive && this.#isRequestWhollySent && this.isOpen) {
      this.#owner.released(this);
    } else {
      this.destroy();
    }
    handler?.end();
  }

  /** An answer before that is an early one: how the gateway takes the rest is anybody's guess. */
  get #isRequestWhollySent(): boolean {
    return this.#isRequestSent && this.#socket.writableLength === 0;
  }

  #closed(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#owner.closed(this);
    handler?.failed({
      error: this.#error ?? new Error("the connection was closed"),
      isUnsent: !this.#isConnected,
      isStale: this.#answers > 0 && !this.#isAnswering,
    });
  }
}

let corked: Socket[] = [];

/**
 * Holds what is written to a socket until the loop's turn ends. All requests that came in one turn
 * are sent together then, and a gateway that slept wakes once for all of its own: woken for the
 * first, it would take that one alone, and be woken again for the next.
 */
function corkForTurn(socket: Socket): void {
  socket.cork();
  if (corked.push(socket) > 1) return;
  setImmediate(() => {
    const sockets = corked;
    corked = [];
    for (const one of sockets) one.uncork();
  });
}
