import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { asError, MillraceError } from "../../lib/errors.ts";
import { decodeUtf8, readJson } from "../../lib/json.ts";
import type { AnyEvent } from "../../system/event.ts";
import type { EventAttributes } from "../../system/event-record.ts";
import { answerOne, jsonType } from "../answers.ts";
import { BodyStream } from "../body.ts";
import { atIndex } from "../cloud-events/read-event.ts";
import { fingerprintOf } from "../event-ids.ts";
import type { Identity } from "../idempotency.ts";
import { ndjsonType, readMediaType, refuseLargeBody } from "../incoming-body.ts";
import type { MediaType } from "../media-type.ts";
import { lineChunks } from "../ndjson.ts";
import type { Publication } from "../options.ts";
import { ReceiptList } from "../receipts.ts";
import { parseAt, parsePrefer } from "../request-headers.ts";
import type { RouteTools } from "./tools.ts";

interface TypeParams {
  Params: { type: string };
}

const noAttributes: EventAttributes = Object.freeze({});

/** `POST /events/{type}`: the plain data of one event, or of one a line. */
export function publishPlainRoutes(app: FastifyInstance, tools: RouteTools): void {
  const { guard, publisher, identities } = tools;
  app.post<TypeParams>(
    "/events/:type",
    {
      onRequest: [
        guard.known,
        (request, _reply, done) => {
          publisher.definitionOf(request.params.type, request.call.client);
          readMediaType(request, isPlainMedia);
          refuseLargeBody(request);
          done();
        },
      ],
    },
    (request, reply) => {
      const { params, call } = request;
      const definition = publisher.definitionOf(params.type, call.client);
      const at = parseAt(request.headers["millrace-at"], tools.clock);
      const attributes = at === undefined ? noAttributes : { at };
      const identity = identities.of(request, `POST /events/${definition.type}`);
      const publishing = { tools, definition, identity, attributes };
      const answered =
        call.media?.essence === ndjsonType
          ? publishLines(request, reply, publishing)
          : publishOne(request, reply, publishing);
      return identity.isKeyed ? answered.finally(() => identity.release()) : answered;
    },
  );
}

const isPlainMedia = (media: MediaType | undefined): boolean =>
  media?.essence === "application/json" || media?.essence === ndjsonType;

interface Publishing {
  readonly tools: RouteTools;
  readonly definition: AnyEvent;
  readonly identity: Identity;
  readonly attributes: EventAttributes;
}

async function publishOne(
  request: FastifyRequest,
  reply: FastifyReply,
  publishing: Publishing,
): Promise<FastifyReply> {
  const { publisher, standings, clock } = publishing.tools;
  const preferences = parsePrefer(request.headers.prefer);
  const made = makePublication(publishing, request.body as Buffer, 0);
  const publication = made instanceof Promise ? await made : made;
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

/**
 * Appends a stream chunk by chunk. A chunk is checked whole before any of it is appended; what came
 * before a bad line is durable by then, and the problem says how many events that are.
 */
async function publishLines(
  request: FastifyRequest,
  reply: FastifyReply,
  publishing: Publishing,
): Promise<FastifyReply> {
  const body = new BodyStream(request.raw, publishing.tools.arrivals);
  const receipts = new ReceiptList();
  try {
    for await (const lines of lineChunks(() => body.read())) {
      const publications = await checkChunk(publishing, lines, receipts.accepted);
      const appended = await publishing.tools.publisher.appendAll(publications, request.call);
      for (const receipt of appended) receipts.add(receipt);
    }
  } catch (error) {
    throw withAccepted(error, receipts.accepted);
  } finally {
    body[Symbol.dispose]();
  }
  return reply.code(202).header("content-type", jsonType).send(receipts.toJson());
}

async function checkChunk(
  publishing: Publishing,
  lines: readonly Buffer[],
  firstIndex: number,
): Promise<Publication[]> {
  const publications: Publication[] = [];
  for (const [offset, line] of lines.entries()) {
    const index = firstIndex + offset;
    try {
      const made = makePublication(publishing, line, index);
      publications.push(made instanceof Promise ? await made : made);
    } catch (error) {
      throw atIndex(index, error);
    }
  }
  return publications;
}

/** Synchronous where the event's schema is. */
function makePublication(
  { tools: { publisher }, definition, identity, attributes }: Publishing,
  content: Buffer,
  index: number,
): Publication | Promise<Publication> {
  const { value, text } = readJson(decodeUtf8(content));
  const parts = {
    id: identity.ids(index),
    source: publisher.source,
    time: publisher.now(),
    attributes,
  };
  const made = publisher.make(definition, value, parts, text);
  const fingerprint = identity.isKeyed
    ? { fingerprint: fingerprintOf(definition.type, content, attributes.at) }
    : {};
  return made instanceof Promise
    ? made.then((event) => ({ event, ...fingerprint }))
    : { event: made, ...fingerprint };
}

/** Tells with the error how many events of the stream are durable already. */
function withAccepted(thrown: unknown, accepted: number): MillraceError {
  const error =
    thrown instanceof MillraceError
      ? thrown
      : new MillraceError("MR_INTERNAL", "The stream failed.", { cause: asError(thrown) });
  return error.with({ extra: { ...error.extra, accepted } });
}
