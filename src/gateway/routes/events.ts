import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isMillraceError, MillraceError } from "../../lib/errors.ts";
import type { FoundEvent } from "../../queue/engine.ts";
import type { SpanStore } from "../../tracing/span-store.ts";
import { tracesOfEvent } from "../../tracing/trace-of-event.ts";
import { parseTraceparent } from "../../tracing/tracing.ts";
import { goneSignal, jsonType, waitLeftMs } from "../answers.ts";
import { mayDo } from "../auth/client.ts";
import { forbidden } from "../guard.ts";
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

  app.delete<EventRoute>("/events/:id", { onRequest: tools.guard.known }, (request, reply) =>
    cancelEvent(request, reply, tools),
  );

  const { spans } = tools;
  if (spans === undefined) return;
  app.get<EventRoute>("/events/:id/trace", { onRequest }, async (request, reply) => {
    const found = await findEvent(request, tools);
    const traces = await tracesOf(found, spans, tools, goneSignal(reply));
    return sendJson(reply, { id: found.id, traces });
  });
}

/** `DELETE /events/{id}`: cancels what waits for its time of delivery. */
async function cancelEvent(
  request: FastifyRequest<EventRoute>,
  reply: FastifyReply,
  tools: RouteTools,
): Promise<FastifyReply> {
  const { id } = request.params;
  const { client } = request.call;
  const source = sourceOf(request);
  // An event may be scheduled for longer than the queue keeps it: then only the workers know it.
  const found = await findEvent(request, tools).catch((error) => {
    if (isMillraceError(error, "MR_EVENT_NOT_FOUND")) return undefined;
    throw error;
  });
  const type = found?.event?.type;
  if (!mayDo(client, "events:publish", type)) throw forbidden("events:publish", type);
  const scheduled = found ?? { id, ...(source === undefined ? {} : { source }) };
  const signal = goneSignal(reply);
  const workers = await tools.standings.cancel(type, scheduled, found, signal);
  const cancelled = [...workers].filter(([, isCancelled]) => isCancelled).map(([name]) => name);
  if (found === undefined && cancelled.length === 0) throw eventNotFound();
  // Where its type is not known, workers were asked that have nothing to do with it.
  const isPartly = type !== undefined && cancelled.length < workers.size;
  if (cancelled.length === 0 || isPartly) {
    throw new MillraceError("MR_EVENT_BEGUN", "The event was delivered already.", {
      remedy: "Only an event whose time of delivery is still to come can be cancelled.",
      extra: { cancelled },
    });
  }
  return sendJson(reply, { id, state: "cancelled", workers: cancelled });
}

const sourceOf = ({ query }: FastifyRequest<EventRoute>): string | undefined =>
  typeof query.source === "string" ? query.source : undefined;

const eventNotFound = (): MillraceError =>
  new MillraceError("MR_EVENT_NOT_FOUND", "There is no event with this id.", {
    remedy: "It may be older than the queue's retention.",
  });

const sendJson = (reply: FastifyReply, value: unknown): FastifyReply =>
  reply
    .header("content-type", jsonType)
    .header("cache-control", "no-store")
    .send(JSON.stringify(value));

async function findEvent(
  request: FastifyRequest<EventRoute>,
  { queue }: RouteTools,
): Promise<FoundEvent> {
  const [found, ...others] = await queue.find(request.params.id, sourceOf(request));
  if (found === undefined) throw eventNotFound();
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
