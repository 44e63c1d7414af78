import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { MillraceError } from "../lib/errors.ts";
import { limits as fixed } from "../lib/limits.ts";
import { Passage, type PassageParts } from "./passage.ts";

/**
 * The requests of one connection, one after the other: sent ahead (pipelined) they would overtake
 * each other on their ways through several gateways.
 */
interface Lane {
  isBusy: boolean;
  passage: Passage | undefined;
  isRefused: boolean;
  /** How many requests came on it. */
  requests: number;
  readonly waiting: (() => void)[];
}

/** Takes requests from the server and sends each on its way. */
export class Forwarder {
  readonly #parts: PassageParts;
  readonly #lanes = new WeakMap<Socket, Lane>();
  #open = 0;
  #drained: () => void = () => {};

  constructor(parts: PassageParts) {
    this.#parts = parts;
  }

  /**
   * What comes on this connection cannot be read any further. A request that came whole before that
   * still gets its answer, one that did not is refused, and the connection ends.
   *
   * @returns false where no request of it is under way
   */
  brokeOff(socket: Socket, error: MillraceError): boolean {
    const lane = this.#lanes.get(socket);
    if (lane?.passage === undefined) return false;
    lane.isRefused = true;
    lane.passage.brokeOff(error);
    return true;
  }

  /** Resolves once no request is in flight. */
  async drained(): Promise<void> {
    if (this.#open === 0) return;
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
  }

  handle(request: IncomingMessage, response: ServerResponse, isContinueExpected: boolean): void {
    const { socket } = request;
    const { limits, isStopping } = this.#parts;
    const lane = this.#laneOf(socket);
    if (lane.isRefused) return;
    if (lane.waiting.length >= fixed.pipelinedRequestsMax) return void socket.destroy();
    const isLastOfLane = ++lane.requests >= limits.requestsPerConnectionMax;
    const start = () => {
      lane.isBusy = true;
      this.#open++;
      response.once("close", () => this.#closed(lane, socket));
      const isLast = () => isLastOfLane || isStopping() || lane.isRefused;
      const passage = new Passage(request, response, this.#parts, isLast);
      lane.passage = passage;
      if (!passage.start(isContinueExpected)) lane.isRefused = true;
    };
    if (lane.isBusy) lane.waiting.push(start);
    else start();
  }

  #closed(lane: Lane, socket: Socket): void {
    lane.isBusy = false;
    lane.passage = undefined;
    this.#open--;
    if (this.#open === 0) this.#drained();
    const isUsable = !lane.isRefused && !socket.destroyed && !socket.writableEnded;
    if (isUsable) lane.waiting.shift()?.();
    else {
      lane.waiting.length = 0;
      if (lane.isRefused && !socket.destroyed) socket.end();
    }
  }

  #laneOf(socket: Socket): Lane {
    const known = this.#lanes.get(socket);
    if (known !== undefined) return known;
    const lane: Lane = {
      isBusy: false,
      passage: undefined,
      isRefused: false,
      requests: 0,
      waiting: [],
    };
    this.#lanes.set(socket, lane);
    return lane;
  }
}
