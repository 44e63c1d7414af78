import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { readBody } from "./body.ts";
import { isUtf8, type MediaType, parseMediaType } from "./media-type.ts";

export const ndjsonType = "application/x-ndjson";

/**
 * Fastify reads no body by itself: whatever the type, our reader brings the raw bytes, and a stream
 * of lines stays in the socket until its handler asks. Who may send what was decided before.
 */
export function readBodies(app: FastifyInstance, clock: Clock): void {
  app.addHook("preParsing", (request, reply, _payload, done) => {
    // Every check is behind us, so whoever waits for a word before sending the body gets it now.
    if (request.headers.expect !== undefined) reply.raw.writeContinue();
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (request, _payload, done) => {
    const { media } = request.call;
    if (request.is404 || media?.essence === ndjsonType) return done(null, undefined);
    readBody(request.raw, clock, done);
  });
}

/**
 * The one reading of a request's Content-Type, before its body: `isAccepted` sees the result.
 *
 * @throws MR_MEDIA_TYPE, also for compressed bodies, whose size nobody knows beforehand
 */
export function readMediaType(
  request: FastifyRequest,
  isAccepted: (media: MediaType | undefined) => boolean,
): void {
  const { headers, call } = request;
  const coding = headers["content-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "identity") {
    throw new MillraceError("MR_MEDIA_TYPE", "Compressed bodies are not accepted.", {
      remedy: "Send the body without Content-Encoding.",
    });
  }
  const header = headers["content-type"];
  call.media = header === undefined ? undefined : parseMediaType(header);
  if (isAccepted(call.media) && (call.media === undefined || isUtf8(call.media))) return;
  throw new MillraceError(
    "MR_MEDIA_TYPE",
    header === undefined
      ? "The Content-Type is missing."
      : "The Content-Type is not supported here.",
    { remedy: `Send application/json in UTF-8, or ${ndjsonType} for many events.` },
  );
}

/** Refused by its own word, before the body; the bytes are counted all the same. */
export function refuseLargeBody({ headers, call }: FastifyRequest): void {
  const most = call.media?.essence === ndjsonType ? limits.ndjsonBytesMax : limits.bodyBytesMax;
  if (Number(headers["content-length"] ?? 0) <= most) return;
  throw new MillraceError("MR_BODY_TOO_LARGE", `A body has at most ${most} bytes.`);
}
