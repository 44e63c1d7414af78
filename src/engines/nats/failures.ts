import { JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "@nats-io/transport-node";
import { isMillraceError, MillraceError } from "../../lib/errors.ts";

/**
 * What a failed request means for what it should have done.
 *
 * - `known`: refused, because an id of it is stored already
 * - `none`: nothing was done, and it may be tried again: an election, a server that is busy
 * - `unknown`: it may have been done, and may be tried again: no answer came
 * - `final`: nothing was done, and trying again will not help
 */
export type Failure = "known" | "none" | "unknown" | "final";

const knownCodes: ReadonlySet<number> = new Set([10071, 10164]);

/**
 * A peer is offline; temporarily unavailable; a leader is missing; a request is in process; a batch
 * lost a part.
 */
const passingCodes: ReadonlySet<number> = new Set([
  10005, 10008, 10009, 10023, 10118, 10158, 10167, 10176,
]);

export function failureOf(error: unknown): Failure {
  if (isMillraceError(error)) return "final";
  if (error instanceof JetStreamApiError) {
    if (knownCodes.has(error.code)) return "known";
    const isBusy = /too many inflight/i.test(error.message);
    return isBusy || passingCodes.has(error.code) ? "none" : "final";
  }
  if (isMissingResponder(error)) return "none";
  if (error instanceof Error && error.name === "JetStreamNotEnabled") return "final";
  return isRefusal(error) ? "final" : "unknown";
}

/** Nobody listens: while servers elect a leader, or where the stream has gone. */
function isMissingResponder(error: unknown): boolean {
  if (error instanceof errors.NoRespondersError) return true;
  if (error instanceof errors.RequestError) return error.isNoResponders();
  // "jetstream is not enabled" is what the client makes of nobody's listening.
  return error instanceof Error && error.name === "JetStreamNotEnabled"
    ? isMissingResponder(error.cause)
    : false;
}

const isRefusal = (error: unknown): boolean =>
  error instanceof errors.PermissionViolationError ||
  error instanceof errors.AuthorizationError ||
  error instanceof errors.UserAuthenticationExpiredError ||
  error instanceof errors.InvalidArgumentError ||
  (error instanceof errors.RequestError && isRefusal(error.cause));

/** Limits of bytes, messages and storage, of stream, account or server. */
const fullCodes: ReadonlySet<number> = new Set([10002, 10028, 10047, 10077]);

const tooLargeCodes: ReadonlySet<number> = new Set([10054, 10097]);

/** An error of the client or the server in our words; `unknown` where it may have been done. */
export function toMillraceError(error: unknown, failure = failureOf(error)): MillraceError {
  if (isMillraceError(error)) return error;
  const said = error instanceof Error ? error.message : String(error);
  if (failure === "unknown") return resultUnknown(error);
  if (error instanceof JetStreamApiError) {
    if (fullCodes.has(error.code)) {
      return new MillraceError("MR_QUEUE_FULL", `The servers have no room left: ${said}.`, {
        cause: error,
        retryAfterSeconds: 5,
        remedy: "Raise the stream's max_bytes or the servers' storage, or let workers catch up.",
      });
    }
    if (tooLargeCodes.has(error.code)) return tooLarge(said, error);
  }
  if (isRefusal(error)) {
    return new MillraceError("MR_CONFIG_INVALID", `NATS refuses this client: ${said}.`, {
      cause: error,
      remedy: "Check the credentials in MILLRACE_QUEUE and the permissions of their account.",
    });
  }
  return unavailable(`NATS could not do it: ${said}.`, error);
}

export const unavailable = (message: string, cause?: unknown): MillraceError =>
  new MillraceError("MR_QUEUE_UNAVAILABLE", message, {
    ...(cause === undefined ? {} : { cause }),
    retryAfterSeconds: 1,
  });

export const tooLarge = (said: string, cause?: unknown): MillraceError =>
  new MillraceError("MR_BODY_TOO_LARGE", `The event is larger than NATS takes: ${said}.`, {
    ...(cause === undefined ? {} : { cause }),
    remedy: "Set max_payload of every server to 2 MB, which holds every event that Millrace takes.",
  });

export const resultUnknown = (cause: unknown): MillraceError =>
  new MillraceError(
    "MR_RESULT_UNKNOWN",
    "NATS did not answer in time: it is not known whether the events were stored.",
    { cause, retryAfterSeconds: 1 },
  );
