import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import type { InFlight } from "../lib/http/in-flight.ts";
import type { Hop, Tracing } from "../tracing/tracing.ts";
import { anonymous } from "./auth/client.ts";
import type { Call } from "./call.ts";
import type { Trust, TrustOf } from "./trust.ts";

interface CallOptions {
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly trustOf: TrustOf;
  readonly inFlight: InFlight;
  /** From then on every connection ends with its answer. */
  readonly isDraining: () => boolean;
}

/**
 * The first hook of every request: counts it, reads its trace context, and records hop 2 from its
 * arrival to the end of its answer. A trace that is not sampled costs no hop.
 */
export function beginCalls(app: FastifyInstance, options: CallOptions): void {
  const { tracing, clock, trustOf, inFlight, isDraining } = options;
  app.decorateRequest("call", null as unknown as Call);
  app.addHook("onRequest", (request, reply, done) => {
    let trust: Trust;
    try {
      trust = trustOf(request.raw);
    } catch (refusal) {
      return done(asError(refusal));
    }
    const parent = tracing.begin(singleHeader(request.headers.traceparent));
    const hop = parent.sampled
      ? tracing.hop("load balancer → API gateway", parent, { name: spanName(request) })
      : undefined;
    const call: Call = {
      arrivedMs: clock.monotonic(),
      trace: hop?.context ?? parent,
      address: () => addressOf(request, trust),
      stamp: trust.stamp ? singleHeader(request.headers["millrace-event-id"]) : undefined,
      client: anonymous,
      media: undefined,
      eventId: undefined,
      // Who waits for a word before sending the body gets it once every check is passed.
      sayContinue:
        request.headers.expect === undefined ? undefined : () => reply.raw.writeContinue(),
    };
    request.call = call;
    reply.header("x-content-type-options", "nosniff");
    if (isDraining()) reply.header("connection", "close");
    inFlight.enter();
    reply.raw.on("close", () => {
      inFlight.leave();
      if (hop !== undefined) endHop(hop, request, reply);
    });
    done();
  });
}

/** OpenTelemetry: the method and the route, never the path with its ids. */
const spanName = (request: FastifyRequest): string =>
  `${request.method} ${request.routeOptions.url ?? "not found"}`;

function endHop(hop: Hop, request: FastifyRequest, { raw }: FastifyReply): void {
  const { eventId } = request.call;
  hop.end({
    ...(eventId === undefined ? {} : { eventId }),
    ...(raw.statusCode >= 500 ? { error: String(raw.statusCode) } : {}),
    attributes: {
      "http.request.method": request.method,
      "http.route": request.routeOptions.url ?? "",
      "http.response.status_code": raw.statusCode,
    },
  });
}

const singleHeader = (value: string | string[] | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;

function addressOf({ headers, raw }: FastifyRequest, trust: Trust): string {
  const forwarded = singleHeader(headers["x-forwarded-for"]);
  const told = forwarded === undefined ? undefined : trust.address(forwarded);
  return told || raw.socket.remoteAddress || "local";
}
