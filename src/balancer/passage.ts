import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorCodeName } from "../lib/error-codes.ts";
import { MillraceError, unreachable } from "../lib/errors.ts";
import { httpRefusal, originForm } from "../lib/http-refusals.ts";
import { formatTraceparent, type Hop, parseTraceparent } from "../tracing/tracing.ts";
import { answerProblem } from "./answer-problem.ts";
import { Attempt, type Outcome } from "./attempt.ts";
import { type Body, bodyTooLarge, noBody, readBody } from "./body-buffer.ts";
import type { Deadline } from "./deadlines.ts";
import { hasBody } from "./end-gently.ts";
import { type BodyFraming, requestHead } from "./forward-headers.ts";
import type { ForwarderParts } from "./forwarder.ts";
import type { GatewayMember } from "./gateway-member.ts";
import type { Failure, UpstreamConnection } from "./upstream/connection.ts";

const none: ReadonlySet<GatewayMember> = new Set();

/**
 * One request's way through the balancer: checked, read, sent to a gateway, and to another one
 * where the first breaks and the request is safe to repeat.
 *
 * ```
 *   check ──▶ read the body ──▶ attempt ──answered──────────────────────▶ over
 *     │             │           ▲    │ ├──broken, safe to repeat─┐
 *     │             │           └────┼─┴─────────────────────────┘
 *     └─────────────┴──refused───────┴──▶ problem ───────────────────────▶ over
 * ```
 */
export class Passage {
  readonly #parts: ForwarderParts;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #deadline: Deadline;
  readonly #hop: Hop;
  readonly #path: string;
  readonly #isPublish: boolean;
  readonly #eventId: string | undefined;
  #body: Body = noBody();
  #attempt: Attempt | undefined;
  #member: GatewayMember | undefined;
  #tried: ReadonlySet<GatewayMember> = none;
  #avoided: GatewayMember | undefined;
  #attempts = 0;
  /** Whether a gateway may have begun to work on it. */
  #isResultUnknown = false;
  #error: ErrorCodeName | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, parts: ForwarderParts) {
    const { method, url = "", headers } = request;
    this.#parts = parts;
    this.#request = request;
    this.#response = response;
    this.#deadline = parts.deadlines.open();
    this.#path = originForm(url).split("?", 1)[0] ?? "";
    this.#isPublish = method === "POST" && parts.isPublish(this.#path);
    const hasKey = headers["idempotency-key"] !== undefined;
    this.#eventId = this.#isPublish && !hasKey ? parts.newId() : undefined;
    this.#hop = parts.tracing.hop(
      "user → load balancer",
      parts.tracing.begin(headers.traceparent as string | undefined),
      {
        name: `${method}`,
        startMs: parts.clock.now(),
        attributes: { "http.request.method": `${method}`, "url.path": this.#path },
      },
    );
    response.once("close", () => this.#closed());
  }

  /** @returns false where what follows on the connection cannot be trusted */
  start(isContinueExpected: boolean): boolean {
    const refusal = httpRefusal(this.#request);
    if (refusal !== undefined) {
      this.#refuse(refusal, true);
      return false;
    }
    const length = Number(this.#request.headers["content-length"] ?? 0);
    if (length > this.#bodyBytesMax) {
      this.#refuse(bodyTooLarge(this.#bodyBytesMax), true);
      return false;
    }
    if (isContinueExpected) this.#response.writeContinue();
    if (!hasBody(this.#request)) {
      this.#send();
      return true;
    }
    const { limits, budget } = this.#parts;
    const reading = { limits, budget, deadline: this.#deadline, isStream: this.#isNdjson };
    this.#body = readBody(this.#request, reading, (error) => {
      if (error === undefined) this.#send();
      else this.#refuse(error, true);
    });
    return true;
  }

  get #isNdjson(): boolean {
    const type = this.#request.headers["content-type"] ?? "";
    return this.#isPublish && /^application\/x-ndjson\s*(;|$)/i.test(type);
  }

  get #bodyBytesMax(): number {
    const { limits } = this.#parts;
    return this.#isNdjson ? limits.ndjsonBytesMax : limits.bodyBytesMax;
  }

  /** Sends it to a gateway: the first one, or the next after one that broke. */
  #send(): void {
    const member = this.#parts.gateways.pick(this.#tried, this.#avoided);
    const connection = member?.pool.acquire();
    if (member === undefined) {
      this.#refuse(this.#unavailable());
    } else if (connection === undefined) {
      this.#exclude(member);
      this.#send();
    } else {
      this.#try(member, connection);
    }
  }

  #try(member: GatewayMember, connection: UpstreamConnection): void {
    const { limits, clock, isStopping } = this.#parts;
    this.#attempts++;
    this.#member = member;
    member.began();
    this.#attempt = new Attempt({
      request: this.#request,
      response: this.#response,
      connection,
      head: this.#head(),
      body: this.#body,
      bodyBytesMax: this.#bodyBytesMax,
      isNdjson: this.#isNdjson,
      deadline: this.#deadline,
      limits,
      clock,
      isLast: isStopping,
      done: (outcome) => this.#settle(member, outcome),
    });
    this.#attempt.begin();
  }

  #head(): string {
    const { headers } = this.#request;
    const { context } = this.#hop;
    const isNewTrace = parseTraceparent(headers.traceparent as string | undefined) === undefined;
    return requestHead(this.#request, this.#parts.webhookPaths.has(this.#path), this.#framing(), {
      traceparent: formatTraceparent(context),
      tracestate: isNewTrace ? undefined : (headers.tracestate as string | undefined),
      eventId: this.#eventId,
    });
  }

  #framing(): BodyFraming {
    if (this.#body.isComplete) {
      const { length } = this.#body.buffer;
      return length === 0 && this.#isBodiless ? "none" : length;
    }
    const length = this.#request.headers["content-length"];
    return length === undefined ? "chunked" : Number(length);
  }

  get #isBodiless(): boolean {
    const { method } = this.#request;
    return method === "GET" || method === "HEAD" || method === "DELETE" || method === "OPTIONS";
  }

  #settle(member: GatewayMember, outcome: Outcome): void {
    this.#member = undefined;
    switch (outcome.kind) {
      case "answered":
        member.ended("answered");
        break;
      case "declined":
        member.ended("no matter");
        this.#exclude(member);
        this.#send();
        break;
      case "broken":
        this.#broken(member, outcome.failure);
        break;
      case "cut":
        member.ended("failed");
        this.#giveUp("MR_GATEWAY_FAILED");
        break;
      case "late":
        member.ended("failed");
        this.#refuse(this.#unknown("MR_GATEWAY_TIMEOUT", "did not answer in time"));
        break;
      case "refused":
        member.ended("no matter");
        this.#refuse(outcome.error, true);
        break;
      case "stuck":
        member.ended("no matter");
        this.#giveUp("MR_BODY_TIMEOUT");
        break;
      default:
        unreachable(outcome);
    }
  }

  /** Nothing of an answer has gone out yet, so another gateway may give it. */
  #broken(member: GatewayMember, failure: Failure): void {
    const { log } = this.#parts;
    // A kept connection that closes under a request says nothing about the gateway behind it.
    member.ended(failure.isStale ? "no matter" : "failed");
    log.debug({ gateway: member.name, err: failure.error }, "An attempt at a gateway broke.");
    if (failure.isStale) {
      member.pool.closeIdle();
      this.#avoided = member;
    } else {
      this.#exclude(member);
    }
    this.#isResultUnknown ||= !failure.isUnsent;
    const isLost = this.#attempt?.hasStreamed === true;
    const isRepeatable = !isLost && (failure.isUnsent || this.#isSafeToRepeat);
    if (isRepeatable && this.#attempts < 2 * this.#parts.gateways.count) this.#send();
    else this.#refuse(this.#unavailable());
  }

  #exclude(member: GatewayMember): void {
    this.#tried = new Set([...this.#tried, member]);
  }

  /** Once a byte went to a gateway, only what has an id, or changes nothing, goes to another. */
  get #isSafeToRepeat(): boolean {
    const { method } = this.#request;
    return this.#isPublish || method === "GET" || method === "HEAD" || method === "OPTIONS";
  }

  #unavailable(): MillraceError {
    if (this.#isResultUnknown) return this.#unknown("MR_GATEWAY_FAILED", "broke off");
    return new MillraceError("MR_GATEWAY_UNAVAILABLE", "No gateway takes requests now.", {
      remedy: "Nothing was accepted; try again.",
      retryAfterSeconds: 1,
    });
  }

  #unknown(code: ErrorCodeName, what: string): MillraceError {
    const message = `The gateway ${what}: the result is unknown.`;
    if (!this.#isPublish) return new MillraceError(code, message);
    return new MillraceError(code, message, {
      remedy: "The same Idempotency-Key is safe to retry.",
    });
  }

  #refuse(error: MillraceError, isLast = false): void {
    this.#error = error.code;
    if (this.#response.headersSent || this.#response.destroyed) {
      this.#giveUp(error.code);
      return;
    }
    answerProblem({
      request: this.#request,
      response: this.#response,
      error,
      traceId: this.#hop.context.traceId,
      isLast: isLast || this.#parts.isStopping(),
      clock: this.#parts.clock,
      lingerMs: this.#parts.limits.lingerMs,
    });
  }

  /** The client has a part of an answer that has no end: only a broken connection tells it so. */
  #giveUp(code: ErrorCodeName): void {
    this.#error = code;
    this.#response.destroy();
  }

  /** The answer is out, or the client has gone. */
  #closed(): void {
    if (this.#member !== undefined) {
      this.#attempt?.abandon();
      this.#member.ended("no matter");
    }
    this.#deadline[Symbol.dispose]();
    this.#parts.budget.give(this.#body.charged);
    const status = this.#response.headersSent ? this.#response.statusCode : 0;
    this.#hop.end({
      ...(this.#error === undefined ? {} : { error: this.#error }),
      attributes: { "http.response.status_code": status },
    });
  }
}
