import type { FastifyInstance, FastifyRequest } from "fastify";
import { MillraceError } from "../lib/errors.ts";
import type { ArrivalWatch } from "../lib/http/arrival-watch.ts";
import { readBody } from "../lib/http/whole-body.ts";
import { limits } from "../lib/limits.ts";
import { isUtf8, type MediaType, parseMediaType } from "./media-type.ts";

export const ndjsonType = "application/x-ndjson";

/**
 * Fastify reads no body by itself: whatever the type, our reader brings the raw bytes, and a stream
 * of lines stays in the socket until its handler asks. Who may send what was decided before.
 */
export function readBodies(app: FastifyInstance, watch: ArrivalWatch): void {
  app.removeAllContentTypeParsers();
  // Named besides `*` because Fastify remembers only types that have a name.
  app.addContentTypeParser(["application/json", "*"], (request, _payload, done) => {
    if (request.is404) return done(null, undefined);
    const { media, sayContinue } = request.call;
    sayContinue?.();
    if (media?.essence === ndjsonType) done(null, undefined);
    else readBody(request.raw, watch, done);
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
