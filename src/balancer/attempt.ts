import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../lib/clock.ts";
import type { MillraceError } from "../lib/errors.ts";
import { endGently, isBodyComing } from "../lib/http/end-gently.ts";
import { limits as fixed } from "../lib/limits.ts";
import type { Body } from "./body-buffer.ts";
import type { Deadline } from "./deadlines.ts";
import { answerHeaders } from "./forward-headers.ts";
import type { BalancerLimits } from "./limits.ts";
import { StreamedBody } from "./streamed-body.ts";
import type { AnswerHandler, Failure, UpstreamConnection } from "./upstream/connection.ts";
import type { AnswerHead } from "./upstream/response-parser.ts";

/** How one attempt at one gateway ended. A closed set. */
export type Outcome =
  /** The client has the whole answer. */
  | { readonly kind: "answered"; readonly status: number }
  /** The gateway said, before it did anything, that it is shutting down. */
  | { readonly kind: "declined" }
  /** It broke before the client saw anything of an answer. */
  | { readonly kind: "broken"; readonly failure: Failure }
  /** It broke when the client had seen a part of the answer. */
  | { readonly kind: "cut"; readonly failure: Failure }
  /** The gateway did not answer, or go on with its answer, in time. */
  | { readonly kind: "late" }
  /** The rest of the body, streamed on, was not acceptable. */
  | { readonly kind: "refused"; readonly error: MillraceError }
  /** The client takes nothing of its answer. */
  | { readonly kind: "stuck" };

export interface AttemptOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly connection: UpstreamConnection;
  readonly head: string;
  readonly body: Body;
  readonly bodyBytesMax: number;
  readonly isNdjson: boolean;
  readonly deadline: Deadline;
  readonly limits: BalancerLimits;
  readonly clock: Clock;
  /** Whether the client's connection has to end with this answer. */
  readonly isLast: () => boolean;
  readonly done: (outcome: Outcome) => void;
}

/**
 * Sends a request to one gateway and passes its answer on. A short answer is passed on only when it
 * is complete, so that one that breaks off can still come from another gateway; any other is passed
 * on as it comes, at the pace of the client.
 */
export class Attempt implements AnswerHandler {
  readonly #options: AttemptOptions;
  readonly #stream: StreamedBody | undefined;
  #head: AnswerHead | undefined;
  /** Pieces of a short answer; undefined where the answer is passed on as it comes. */
  #held: Buffer[] | undefined;
  #isOver = false;
  #isPaused = false;

  constructor(options: AttemptOptions) {
    this.#options = options;
    if (options.body.isComplete) return;
    this.#stream = new StreamedBody({
      ...options,
      sent: () => this.#awaitAnswer(),
      refused: (error) => this.#over({ kind: "refused", error }),
      stuck: () => this.#over({ kind: "late" }),
    });
  }

  /** Whether the gateway may have seen a part of a body that nobody has any more. */
  get hasStreamed(): boolean {
    return this.#stream?.hasBegun ?? false;
  }

  begin(): void {
    const { connection, head, body, request, deadline, limits } = this.#options;
    const isHead = request.method === "HEAD";
    if (!connection.isConnected) {
      deadline.set(limits.gatewayConnectMs, () => connection.destroy(new Error("no connection")));
    }
    if (this.#stream !== undefined) {
      connection.begin(this, head, isHead);
    } else {
      connection.begin(this, head, isHead, body.buffer.bytes);
      connection.requestSent();
    }
    if (connection.isConnected) this.drained();
  }

  /** The client has gone: nobody wants the answer. */
  abandon(): void {
    this.#isOver = true;
    this.#stream?.stop();
    this.#options.connection.abandon();
  }

  drained(): void {
    if (this.#stream === undefined) {
      if (this.#head === undefined) this.#awaitAnswer();
    } else this.#stream.flow();
  }

  head(head: AnswerHead): void {
    const { response, deadline, limits } = this.#options;
    this.#head = head;
    this.#stream?.stop();
    deadline.set(limits.answerSilenceMs, () => this.#late());
    if (head.bodyBytes !== undefined && head.bodyBytes <= fixed.answerHeldBytesMax) {
      this.#held = [];
      return;
    }
    this.#writeHead(head);
    response.flushHeaders();
  }

  body(chunk: Buffer): void {
    if (this.#held !== undefined) {
      this.#held.push(chunk);
      return;
    }
    const { response, deadline, limits } = this.#options;
    const isTaken = response.write(chunk);
    if (isTaken) deadline.set(limits.answerSilenceMs, () => this.#late());
    else this.#waitForClient();
  }

  end(): void {
    const { request, response, clock, deadline, limits } = this.#options;
    const head = this.#head;
    if (head === undefined || this.#isOver) return;
    deadline.clear();
    const bytes = this.#held?.length === 1 ? this.#held[0] : Buffer.concat(this.#held ?? []);
    if (this.#held !== undefined && isDeclined(head, bytes)) {
      this.#over({ kind: "declined" });
      return;
    }
    if (this.#held !== undefined) this.#writeHead(head);
    endGently({ request, response, clock, lingerMs: limits.lingerMs }, bytes);
    this.#over({ kind: "answered", status: head.status });
  }

  failed(failure: Failure): void {
    this.#over({ kind: this.#options.response.headersSent ? "cut" : "broken", failure });
  }

  /** From the last byte of the request on, it is the gateway's turn. */
  #awaitAnswer(): void {
    const { deadline, limits } = this.#options;
    deadline.set(limits.gatewayAnswerMs, () => this.#late());
  }

  #late(): void {
    this.#over({ kind: "late" });
  }

  #writeHead({ status, headers }: AnswerHead): void {
    const { response, request, isLast } = this.#options;
    const sent = answerHeaders(headers);
    // An answer before the end of its request: what is left of that request ends the connection.
    if (isLast() || isBodyComing(request)) sent.push("connection", "close");
    response.writeHead(status, sent);
  }

  #waitForClient(): void {
    const { connection, response, deadline, limits } = this.#options;
    if (this.#isPaused) return;
    this.#isPaused = true;
    connection.pause();
    deadline.set(limits.answerTakenMs, () => this.#over({ kind: "stuck" }));
    response.once("drain", () => {
      if (this.#isOver) return;
      this.#isPaused = false;
      deadline.set(limits.answerSilenceMs, () => this.#late());
      connection.resume();
    });
  }

  #over(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.deadline.clear();
    this.#stream?.stop();
    if (outcome.kind !== "answered" && outcome.kind !== "declined") {
      this.#options.connection.abandon();
    }
    this.#options.done(outcome);
  }
}

/** A gateway that is shutting down says so in the code of its problem, before it does anything. */
function isDeclined(head: AnswerHead, body: Buffer | undefined): boolean {
  if (head.status !== 503 || body === undefined || body.length === 0) return false;
  try {
    return JSON.parse(body.toString()).code === "MR_DRAINING";
  } catch {
    return false;
  }
}
