import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerOne, jsonType } from "../answers.ts";
import {
  atIndex,
  type IncomingEvent,
  modeOf,
  readBatch,
  readBinary,
  readStructured,
} from "../cloud-events/read-event.ts";
import { fingerprintOf } from "../event-ids.ts";
import type { Identity } from "../idempotency.ts";
import { readMediaType, refuseLargeBody } from "../incoming-body.ts";
import type { Publication } from "../options.ts";
import { ReceiptList } from "../receipts.ts";
import { parseAt, parsePrefer } from "../request-headers.ts";
import type { RouteTools } from "./tools.ts";

/**
 * `POST /events`: CloudEvents 1.0.2 in all three modes. They keep their own ids and sources, which
 * are what makes a repeat harmless; an Idempotency-Key adds that it must be the same content.
 */
export function publishCloudEventRoutes(app: FastifyInstance, tools: RouteTools): void {
  const { guard, identities } = tools;
  app.post(
    "/events",
    {
      onRequest: [
        guard.known,
        async (request) => {
          readMediaType(request, (media) => modeOf(media) !== undefined);
          refuseLargeBody(request);
        },
      ],
    },
    async (request, reply) => {
      const mode = modeOf(request.call.media);
      const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
      const at = parseAt(request.headers["millrace-at"], tools.clock);
      const defaults = { time: tools.publisher.now(), at, nowMs: tools.clock.now() };
      const identity = identities.of(request, "POST /events");
      try {
        if (mode === "batched") {
          return await publishBatch(request, reply, { tools, identity }, readBatch(body, defaults));
        }
        const event =
          mode === "binary"
            ? readBinary(request.headers, body, defaults)
            : readStructured(body, defaults);
        return await publishOne(request, reply, { tools, identity }, event);
      } finally {
        identity.release();
      }
    },
  );
}

interface Publishing {
  readonly tools: RouteTools;
  readonly identity: Identity;
}

async function publishOne(
  request: FastifyRequest,
  reply: FastifyReply,
  publishing: Publishing,
  incoming: IncomingEvent,
): Promise<FastifyReply> {
  const { publisher, standings, clock } = publishing.tools;
  const preferences = parsePrefer(request.headers.prefer);
  const publication = await toPublication(request, publishing, incoming);
  const receipt = await publisher.append(publication, request.call);
  return answerOne(request, reply, {
    event: publication.event,
    receipt,
    ownSource: publisher.source,
    preferences,
    standings,
    clock,
  });
}

/** All events are checked before any is appended. */
async function publishBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  publishing: Publishing,
  batch: readonly IncomingEvent[],
): Promise<FastifyReply> {
  const publications: Publication[] = [];
  for (const [index, incoming] of batch.entries()) {
    try {
      publications.push(await toPublication(request, publishing, incoming));
    } catch (error) {
      throw atIndex(index, error);
    }
  }
  const receipts = new ReceiptList();
  if (publications.length > 0) {
    const appended = await publishing.tools.publisher.appendAll(publications, request.call);
    for (const receipt of appended) receipts.add(receipt);
  }
  return reply.code(202).header("content-type", jsonType).send(receipts.toJson());
}

async function toPublication(
  { call }: FastifyRequest,
  { tools: { publisher }, identity }: Publishing,
  { type, parts, data }: IncomingEvent,
): Promise<Publication> {
  const definition = publisher.definitionOf(type, call.client);
  const { at } = parts.attributes;
  const event = await publisher.make(definition, data, parts);
  return identity.isKeyed ? { event, fingerprint: fingerprintOf(type, event.data, at) } : { event };
}
