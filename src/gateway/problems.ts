import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../lib/clock.ts";
import type { ErrorCodeName } from "../lib/error-codes.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import { challengeOf } from "../lib/http/challenge.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { problemMediaType, problemOf } from "../lib/problem.ts";

/** What Fastify itself refuses, in our words. */
const frameworkErrors: ReadonlyMap<string, readonly [ErrorCodeName, string]> = new Map([
  ["FST_ERR_BAD_URL", ["MR_REQUEST_INVALID", "The address cannot be decoded."]],
  ["FST_ERR_MAX_PARAM_LENGTH", ["MR_URI_TOO_LONG", "A part of the address is too long."]],
  ["FST_STATIC_FORBIDDEN_PATH", ["MR_NOT_FOUND", "There is nothing at this address."]],
  ["FST_ERR_CTP_INVALID_MEDIA_TYPE", ["MR_MEDIA_TYPE", "The Content-Type is malformed."]],
]);

interface ProblemOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly baseUrl?: string;
}

/** Answers with the problem document of an error, whatever it is. */
export function sendProblem(
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  { clock, log, baseUrl }: ProblemOptions,
): void {
  const error = knownError(thrown);
  // Absent where Fastify refused the address before any hook ran.
  const call = request.call as FastifyRequest["call"] | null;
  const traceId = call?.trace.traceId;
  const hasLeft = request.raw.aborted || request.raw.socket.destroyed;
  if (error.status === 500 && !hasLeft) {
    log.error({ err: asError(thrown), traceId, url: pathOf(request) }, "A request failed.");
  }
  const problem = problemOf(error, {
    instance: pathOf(request),
    ...(traceId === undefined ? {} : { traceId }),
    ...(baseUrl === undefined ? {} : { baseUrl }),
  });
  reply.code(problem.status);
  reply.header("content-type", problemMediaType).header("cache-control", "no-store");
  const isTemporary = problem.status === 429 || problem.status === 503;
  if (isTemporary || error.retryAfterSeconds !== undefined) {
    reply.header("retry-after", String(error.retryAfterSeconds ?? 1));
  }
  const challenge = challengeOf(problem.status, request.headers);
  if (challenge !== undefined) reply.header("www-authenticate", challenge);
  discardRest(request.raw, reply, clock);
  // As bytes: to text Fastify adds a charset, which this media type does not have.
  reply.send(Buffer.from(JSON.stringify(problem)));
}

/** Fastify's errors and the application's, as ours; what is unknown stays inside. */
function knownError(thrown: unknown): MillraceError {
  if (isMillraceError(thrown)) return thrown;
  const framework = frameworkErrors.get(String((thrown as { code?: unknown } | null)?.code));
  if (framework !== undefined) return new MillraceError(...framework, { cause: thrown });
  return new MillraceError("MR_INTERNAL", "Something went wrong inside.", { cause: thrown });
}

/**
 * Where an answer goes out before the body has come, the rest is thrown away for a moment: closing
 * at once would reset the connection under a client that is still sending, and it would never read
 * the answer. Whoever asked for `100 Continue` and did not get it sends something else next, so
 * there the connection ends.
 */
function discardRest(request: IncomingMessage, reply: FastifyReply, clock: Clock): void {
  if (request.complete) return;
  if (request.headers.expect !== undefined || !reply.raw.shouldKeepAlive) {
    reply.header("connection", "close");
    return;
  }
  // Fastify asks for an immediate end after an error in a body.
  reply.header("connection", "keep-alive");
  reply.raw.once("finish", () => {
    request.resume();
    clock.after(limits.lingerMs, () => {
      if (!request.complete) request.socket.destroy();
    });
  });
}

export const pathOf = ({ raw }: Pick<FastifyRequest, "raw">): string =>
  (raw.url ?? "/").split("?", 1)[0] ?? "/";
