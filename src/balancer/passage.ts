import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../lib/clock.ts";
import type { ErrorCodeName } from "../lib/error-codes.ts";
import { MillraceError, unreachable } from "../lib/errors.ts";
import { answerProblem } from "../lib/http/answer-problem.ts";
import { hasBody, isBodyComing } from "../lib/http/end-gently.ts";
import { httpRefusal } from "../lib/http-refusals.ts";
import { limits as fixed } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { formatTraceparent, type Hop, parseTraceparent, type Tracing } from "../tracing/tracing.ts";
import { Attempt, type Outcome } from "./attempt.ts";
import { type Body, type ByteBudget, bodyTooLarge, noBody, readBody } from "./body-buffer.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { type BodyFraming, requestHead } from "./forward-headers.ts";
import type { GatewayMember } from "./gateway-member.ts";
import type { Gateways } from "./gateways.ts";
import type { BalancerLimits } from "./limits.ts";
import { announcesEmptyBody, headerOf, planOf, type RequestPlan } from "./request-plan.ts";
import type { Failure, UpstreamConnection } from "./upstream/connection.ts";

/** What every request's way needs. */
export interface PassageParts {
  readonly gateways: Gateways;
  readonly deadlines: Deadlines;
  readonly budget: ByteBudget;
  readonly limits: BalancerLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracing: Tracing;
  readonly newId: () => string;
  /** Paths that take somebody else's requests and make events of them. */
  readonly webhookPaths: ReadonlySet<string>;
  readonly isStopping: () => boolean;
  /** The public address; the types of problems are absolute with it. */
  readonly baseUrl: string | undefined;
  /** What gateways on other hosts are shown. */
  readonly peer: string | undefined;
}

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
  readonly #parts: PassageParts;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #isLast: () => boolean;
  readonly #deadline: Deadline;
  readonly #hop: Hop;
  readonly #plan: RequestPlan;
  readonly #eventId: string | undefined;
  #body: Body = noBody();
  #attempt: Attempt | undefined;
  #member: GatewayMember | undefined;
  #tried: ReadonlySet<GatewayMember> = none;
  #avoided: GatewayMember | undefined;
  /** Broken attempts in which a gateway may have begun to work on it. */
  #sent = 0;
  #error: string | undefined;

  /** `isLast` tells whether the client's connection ends with this answer. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    parts: PassageParts,
    isLast: () => boolean,
  ) {
    const plan = planOf(request, parts.webhookPaths, parts.limits);
    this.#parts = parts;
    this.#request = request;
    this.#response = response;
    this.#isLast = isLast;
    this.#plan = plan;
    this.#deadline = parts.deadlines.open();
    this.#eventId = plan.isPublish && !plan.hasKey ? parts.newId() : undefined;
    const context = parts.tracing.begin(headerOf(request, "traceparent"));
    this.#hop = parts.tracing.hop("user → load balancer", context, {
      name: `${request.method}`,
      startMs: parts.clock.now(),
      attributes: { "http.request.method": `${request.method}`, "url.path": plan.path },
    });
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
    if (length > this.#plan.bodyBytesMax) {
      this.#refuse(bodyTooLarge(this.#plan.bodyBytesMax), true);
      return false;
    }
    if (isContinueExpected) this.#response.writeContinue();
    if (!hasBody(this.#request)) {
      this.#send();
      return true;
    }
    const reading = { ...this.#parts, deadline: this.#deadline, isStream: this.#plan.isNdjson };
    this.#body = readBody(this.#request, reading, (error) => {
      if (error === undefined) this.#send();
      else this.#refuse(error, true);
    });
    return true;
  }

  /** The connection brought what cannot be read, perhaps instead of the rest of the body. */
  brokeOff(error: MillraceError): void {
    if (!isBodyComing(this.#request)) return;
    if (this.#member !== undefined) {
      this.#attempt?.abandon();
      this.#member.ended("no matter");
      this.#member = undefined;
    }
    this.#refuse(error, true);
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
    const { limits, clock } = this.#parts;
    this.#member = member;
    member.began();
    this.#attempt = new Attempt({
      request: this.#request,
      response: this.#response,
      connection,
      head: this.#head(),
      body: this.#body,
      bodyBytesMax: this.#plan.bodyBytesMax,
      isNdjson: this.#plan.isNdjson,
      deadline: this.#deadline,
      limits,
      clock,
      isLast: this.#isLast,
      done: (outcome) => this.#settle(member, outcome),
    });
    this.#attempt.begin();
  }

  #head(): string {
    const isNewTrace = parseTraceparent(headerOf(this.#request, "traceparent")) === undefined;
    return requestHead(this.#request, this.#plan.isWebhook, this.#framing(), {
      traceparent: formatTraceparent(this.#hop.context),
      tracestate: isNewTrace ? undefined : headerOf(this.#request, "tracestate"),
      eventId: this.#eventId,
      peer: this.#parts.peer,
    });
  }

  #framing(): BodyFraming {
    if (this.#body.isComplete) {
      const { length } = this.#body.buffer;
      return length === 0 && !announcesEmptyBody(this.#request) ? "none" : length;
    }
    const length = this.#request.headers["content-length"];
    return length === undefined ? "chunked" : Number(length);
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
        this.#giveUp("ClientStuck");
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
    const { isUnsent } = failure;
    if (!isUnsent) this.#sent++;
    // Once a byte went to a gateway, only what has an id, or changes nothing, goes to another. And
    // not to all of them: a request may be what breaks them.
    const isLost = this.#attempt?.hasStreamed === true;
    const isRepeatable = this.#plan.isSafeToRepeat && this.#sent < fixed.attemptsSentMax;
    if (!isLost && (isUnsent || isRepeatable)) this.#send();
    else this.#refuse(this.#unavailable());
  }

  #exclude(member: GatewayMember): void {
    this.#tried = new Set([...this.#tried, member]);
  }

  #unavailable(): MillraceError {
    if (this.#sent > 0) return this.#unknown("MR_GATEWAY_FAILED", "broke off");
    return new MillraceError("MR_GATEWAY_UNAVAILABLE", "No gateway takes requests now.", {
      remedy: "Nothing was accepted; try again.",
      retryAfterSeconds: 1,
    });
  }

  #unknown(code: ErrorCodeName, what: string): MillraceError {
    const message = `The gateway ${what}: the result is unknown.`;
    const { isPublish, hasKey } = this.#plan;
    if (!isPublish) return new MillraceError(code, message);
    return new MillraceError("MR_RESULT_UNKNOWN", message, {
      retryAfterSeconds: 1,
      remedy: hasKey
        ? "The same Idempotency-Key is safe to retry."
        : "With an Idempotency-Key it would be safe to retry.",
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
      instance: this.#plan.path,
      baseUrl: this.#parts.baseUrl,
      isLast: isLast || this.#isLast(),
      clock: this.#parts.clock,
      lingerMs: this.#parts.limits.lingerMs,
    });
  }

  /** The client has a part of an answer that has no end: only a broken connection tells it so. */
  #giveUp(error: string): void {
    this.#error = error;
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
