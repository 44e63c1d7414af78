import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MillraceError } from "../../lib/errors.ts";
import type { FoundEvent } from "../../queue/engine.ts";
import type { SpanStore } from "../../tracing/span-store.ts";
import { tracesOfEvent } from "../../tracing/trace-of-event.ts";
import { parseTraceparent } from "../../tracing/tracing.ts";
import { goneSignal, jsonType, waitLeftMs } from "../answers.ts";
import { parsePrefer } from "../request-headers.ts";
import { overall } from "../standings.ts";
import type { RouteTools } from "./tools.ts";

interface EventRoute {
  Params: { id: string };
  Querystring: { source?: string | string[] };
}

/** `GET /events/{id}`: where an event stands at each worker, and what its trace shows. */
export function eventRoutes(app: FastifyInstance, tools: RouteTools): void {
  const onRequest = tools.guard.requires("events:read");
  app.get<EventRoute>("/events/:id", { onRequest }, async (request, reply) => {
    const preferences = parsePrefer(request.headers.prefer);
    const found = await findEvent(request, tools);
    const waitMs = waitLeftMs(request, preferences, tools.clock);
    const standings = await tools.standings.of(
      found.event?.type ?? "",
      found,
      waitMs,
      goneSignal(reply),
    );
    if (preferences.waitSeconds !== undefined) {
      reply.header("preference-applied", `wait=${preferences.waitSeconds}`);
    }
    return sendJson(reply, {
      ...describe(found),
      // The event itself may be gone once every worker has handled it; then nothing is pending.
      state: overall(standings),
      workers: Object.fromEntries(standings),
    });
  });

  const { spans } = tools;
  if (spans === undefined) return;
  app.get<EventRoute>("/events/:id/trace", { onRequest }, async (request, reply) => {
    const found = await findEvent(request, tools);
    const traces = await tracesOf(found, spans, tools, goneSignal(reply));
    return sendJson(reply, { id: found.id, traces });
  });
}

const sendJson = (reply: FastifyReply, value: unknown): FastifyReply =>
  reply
    .header("content-type", jsonType)
    .header("cache-control", "no-store")
    .send(JSON.stringify(value));

async function findEvent(
  { params, query }: FastifyRequest<EventRoute>,
  { queue }: RouteTools,
): Promise<FoundEvent> {
  const source = typeof query.source === "string" ? query.source : undefined;
  const [found, ...others] = await queue.find(params.id, source);
  if (found === undefined) {
    throw new MillraceError("MR_EVENT_NOT_FOUND", "There is no event with this id.", {
      remedy: "It may be older than the queue's retention.",
    });
  }
  if (others.length === 0) return found;
  const sources = [found, ...others].map((event) => event.source);
  throw new MillraceError("MR_EVENT_AMBIGUOUS", "Several sources used this id.", {
    remedy: "Say which one: ?source=…",
    extra: { sources },
  });
}

/** What is known of the record; its data is not told, which may be nobody's business here. */
function describe({ id, source, partition, position, acceptedAt, event }: FoundEvent): object {
  const record = event === undefined ? {} : { type: event.type, key: event.key, time: event.time };
  const place = { partition, position, acceptedAt: new Date(acceptedAt).toISOString() };
  return { id, source, ...record, ...place };
}

/** Nothing is waited for where the event's trace is not recorded. */
async function tracesOf(
  { id, event }: FoundEvent,
  spans: SpanStore,
  { clock }: RouteTools,
  signal: AbortSignal,
): Promise<object[]> {
  const isRecorded = parseTraceparent(event?.attributes.traceparent)?.sampled === true;
  const traces = await tracesOfEvent(spans, id, {
    ...{ clock, signal },
    ...(isRecorded ? {} : { waitMs: 0 }),
  });
  return traces.map((trace) => ({ traceId: trace[0]?.traceId, spans: trace }));
}
