import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits as fixed } from "../lib/limits.ts";
import { Passage, type PassageParts } from "./passage.ts";

/**
 * The requests of one connection, one after the other: sent ahead (pipelined) they would overtake
 * each other on their ways through several gateways.
 */
interface Lane {
  isBusy: boolean;
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

  /** Whether a request on this connection is not answered yet. */
  isBusy(socket: Socket): boolean {
    return this.#lanes.get(socket)?.isBusy ?? false;
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
      const isLast = () => isLastOfLane || isStopping();
      const passage = new Passage(request, response, this.#parts, isLast);
      lane.isRefused = !passage.start(isContinueExpected);
    };
    if (lane.isBusy) lane.waiting.push(start);
    else start();
  }

  #closed(lane: Lane, socket: Socket): void {
    lane.isBusy = false;
    this.#open--;
    if (this.#open === 0) this.#drained();
    const isUsable = !lane.isRefused && !socket.destroyed && !socket.writableEnded;
    if (isUsable) lane.waiting.shift()?.();
    else lane.waiting.length = 0;
  }

  #laneOf(socket: Socket): Lane {
    const known = this.#lanes.get(socket);
    if (known !== undefined) return known;
    const lane: Lane = { isBusy: false, isRefused: false, requests: 0, waiting: [] };
    this.#lanes.set(socket, lane);
    return lane;
  }
}
