import { connect, type Socket } from "node:net";

/** Where a server listens: a Unix socket or a port of this machine. */
export type Target = { readonly socketPath: string } | { readonly port: number };

/** `refusal`: the beginning of the body, where the status is no success. */
export type Answered = (status: number, refusal?: string) => void;

const headEnd = Buffer.from("\r\n\r\n", "latin1");
const readBytes = 65_536;
const refusalBytes = 300;

/**
 * The least of an HTTP/1.1 client: kept-alive, one request at a time, answers read for their status
 * and their length only. A generator shares the processors with what it measures, so what it costs
 * is taken from the result.
 */
export class Connection {
  readonly #target: Target;
  readonly #answered: Answered;
  readonly #failed: (error: Error) => void;
  #socket: Socket | undefined;
  #request: Buffer | undefined;
  /** The beginning of an answer whose head is not complete yet. */
  #partial: Buffer | undefined;
  #status = 0;
  #refusal: string | undefined;
  /** Bytes of the body still to come; -1: until the last chunk. */
  #missing = 0;
  #mustClose = false;

  constructor(target: Target, answered: Answered, failed: (error: Error) => void) {
    this.#target = target;
    this.#answered = answered;
    this.#failed = failed;
  }

  /** Sends a request; `answered` is called once, or `failed` where the connection broke. */
  send(request: Buffer): void {
    this.#request = request;
    this.#status = 0;
    this.#refusal = undefined;
    this.#socket ??= this.#connect();
    this.#socket.write(request);
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connect(): Socket {
    const buffer = Buffer.allocUnsafe(readBytes);
    const target = this.#target;
    const socket: Socket = connect({
      ...("port" in target
        ? { port: target.port, host: "127.0.0.1" }
        : { path: target.socketPath }),
      noDelay: true,
      onread: {
        buffer,
        callback: (count) => {
          this.#read(buffer.subarray(0, count));
          return true;
        },
      },
    });
    const gone = (error: Error) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#partial = undefined;
      if (this.#request === undefined) return;
      this.#request = undefined;
      this.#failed(error);
    };
    socket.on("error", gone).on("close", () => gone(new Error("The connection was closed.")));
    return socket;
  }

  #read(chunk: Buffer): void {
    if (this.#status !== 0) {
      this.#readBody(chunk);
      return;
    }
    const bytes = this.#partial === undefined ? chunk : Buffer.concat([this.#partial, chunk]);
    const end = bytes.indexOf(headEnd);
    if (end < 0) {
      this.#partial = Buffer.from(bytes);
      return;
    }
    this.#partial = undefined;
    const head = bytes.toString("latin1", 0, end);
    this.#status = Number(head.slice(9, 12));
    this.#mustClose = /\r\nconnection: close/i.test(head);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    this.#missing = length === undefined ? -1 : Number(length);
    this.#readBody(bytes.subarray(end + headEnd.length));
  }

  #readBody(bytes: Buffer): void {
    if (this.#status >= 400) this.#refusal ??= bytes.toString("latin1", 0, refusalBytes);
    if (this.#missing < 0) {
      if (!bytes.subarray(-5).equals(lastChunk)) return;
    } else {
      this.#missing -= bytes.length;
      if (this.#missing > 0) return;
    }
    this.#request = undefined;
    if (this.#mustClose) this.close();
    this.#answered(this.#status, this.#refusal);
  }
}

/** Servers of today send it in one piece with the chunk before it, or alone. */
const lastChunk = Buffer.from("0\r\n\r\n", "latin1");
