import type { IncomingMessage } from "node:http";
import type { MillraceError } from "../lib/errors.ts";
import { type Body, bodyTooLarge, watchArrival } from "./body-buffer.ts";
import type { Deadline } from "./deadlines.ts";
import type { BalancerLimits } from "./limits.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";

export interface StreamedBodyOptions {
  readonly request: IncomingMessage;
  readonly connection: UpstreamConnection;
  /** What came before it grew too long to keep. */
  readonly body: Body;
  readonly bodyBytesMax: number;
  readonly isNdjson: boolean;
  readonly deadline: Deadline;
  readonly limits: BalancerLimits;
  /** All of it is on its way. */
  readonly sent: () => void;
  readonly refused: (error: MillraceError) => void;
  /** The gateway takes no more. */
  readonly stuck: () => void;
}

/**
 * Passes a long body on at the pace of the gateway: first what was kept, then what comes. From its
 * first byte on the request cannot be sent a second time.
 */
export class StreamedBody {
  readonly #options: StreamedBodyOptions;
  readonly #isChunked: boolean;
  #hasBegun = false;
  #isWatched = false;
  #bytes: number;

  constructor(options: StreamedBodyOptions) {
    this.#options = options;
    this.#isChunked = options.request.headers["content-length"] === undefined;
    this.#bytes = options.body.buffer.length;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The gateway takes bytes: lets them flow. */
  flow(): void {
    const { request, body } = this.#options;
    if (this.#hasBegun) {
      this.#watchClient();
      request.resume();
      return;
    }
    this.#hasBegun = true;
    request.on("data", this.#onData).on("end", this.#onEnd);
    const kept = body.buffer.bytes;
    const isTaken = kept === undefined || this.#write(kept);
    if (isTaken) this.flow();
    else this.#waitForGateway();
  }

  /** Passes nothing on any more; the rest stays where it is. */
  stop(): void {
    const { request } = this.#options;
    request.off("data", this.#onData).off("end", this.#onEnd);
    request.pause();
  }

  readonly #onData = (piece: Buffer) => {
    const { bodyBytesMax, refused } = this.#options;
    this.#bytes += piece.length;
    if (this.#bytes > bodyBytesMax) return refused(bodyTooLarge(bodyBytesMax));
    if (!this.#write(piece)) this.#waitForGateway();
  };

  readonly #onEnd = () => {
    this.#options.connection.requestSent(this.#isChunked ? "0\r\n\r\n" : undefined);
    this.#options.sent();
  };

  #write(piece: Buffer): boolean {
    const { connection } = this.#options;
    return this.#isChunked ? connection.writeChunk(piece) : connection.write(piece);
  }

  #waitForGateway(): void {
    const { request, deadline, limits, stuck } = this.#options;
    request.pause();
    this.#isWatched = false;
    deadline.set(limits.gatewayAnswerMs, stuck);
  }

  #watchClient(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    const { deadline, limits, isNdjson, refused } = this.#options;
    watchArrival(deadline, { limits, isStream: isNdjson }, () => this.#bytes, refused);
  }
}
