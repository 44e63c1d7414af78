/**
 * Every operating error that Millrace can tell, once. The code is stable; its slug names the page
 * `/problems/{slug}` and the section of docs/errors.md (a test ties the three together).
 */
interface ErrorCode {
  readonly slug: string;
  /** One fixed line per code (RFC 9457). */
  readonly title: string;
  /** The HTTP status where the error leaves through the gateway. */
  readonly status: number;
  /** The exit status where the error leaves through the command line. */
  readonly exit: 1 | 2 | 3 | 4;
}

const code = (
  slug: string,
  status: number,
  title: string,
  exit: ErrorCode["exit"] = 1,
): ErrorCode => ({ slug, status, title, exit });

export const errorCodes = {
  // What a client sent.
  MR_REQUEST_INVALID: code("request-invalid", 400, "The request is malformed", 2),
  MR_HOST_UNKNOWN: code("host-unknown", 421, "The request is for another host"),
  MR_HEADER_INVALID: code("header-invalid", 400, "A header is malformed", 2),
  MR_HTTP_REFUSED: code("http-refused", 400, "The request's HTTP is not acceptable"),
  MR_HTTP_VERSION: code("http-version", 505, "The HTTP version is not supported"),
  MR_TRANSFER_CODING: code("transfer-coding", 501, "The transfer coding is not supported"),
  MR_EXPECTATION: code("expectation", 417, "The expectation cannot be met"),
  MR_METHOD_NOT_ALLOWED: code("method-not-allowed", 405, "The method is not allowed here", 2),
  MR_HEADERS_TOO_LARGE: code("headers-too-large", 431, "The headers are too large or too many"),
  MR_URI_TOO_LONG: code("uri-too-long", 414, "The address is too long"),
  MR_BODY_TOO_LARGE: code("body-too-large", 413, "The body is too large", 2),
  MR_TOO_MANY_EVENTS: code("too-many-events", 413, "There are too many events in one request", 2),
  MR_BODY_TIMEOUT: code("body-timeout", 408, "The request did not arrive in time"),
  MR_BODY_NOT_UTF8: code("body-not-utf8", 400, "The body is not valid UTF-8", 2),
  MR_JSON_INVALID: code("json-invalid", 400, "The JSON cannot be read", 2),
  MR_JSON_DUPLICATE_NAME: code("json-duplicate-name", 400, "A name stands twice in an object", 2),
  MR_JSON_NAME: code("json-name", 400, "A name in the JSON is not allowed", 2),
  MR_JSON_NUMBER: code("json-number", 400, "A number in the JSON cannot be kept exactly", 2),
  MR_JSON_STRING: code("json-string", 400, "A text in the JSON cannot be stored", 2),
  MR_JSON_TOO_DEEP: code("json-too-deep", 400, "The JSON is nested too deep", 2),
  MR_MEDIA_TYPE: code("media-type", 415, "The content type is not supported", 2),
  MR_CLOUDEVENT_INVALID: code("cloudevent-invalid", 400, "The CloudEvent is malformed", 2),
  MR_EVENT_UNKNOWN: code("event-unknown", 404, "The event type is not known", 2),
  MR_EVENT_NOT_FOUND: code("event-not-found", 404, "There is no such event", 1),
  MR_EVENT_BEGUN: code("event-begun", 409, "It is too late to cancel the event", 1),
  MR_AT_INVALID: code("at-invalid", 400, "The time of delivery is malformed or too far away", 2),
  MR_EVENT_AMBIGUOUS: code("event-ambiguous", 409, "Several sources used this id", 2),
  MR_DATA_INVALID: code("data-invalid", 422, "The data does not fit the event's schema", 2),
  MR_DATA_VERSION: code("data-version", 500, "The event's data are of a later version", 1),
  MR_KEY_NOT_STRING: code("key-not-string", 422, "The event has no key", 2),
  MR_INPUT_INVALID: code("input-invalid", 422, "The input does not fit the query's schema", 2),
  MR_QUERY_UNKNOWN: code("query-unknown", 404, "There is no such worker or query", 2),
  MR_WORKER_UNKNOWN: code("worker-unknown", 404, "There is no such worker", 2),
  MR_FILTER_MISSING: code("filter-missing", 400, "What is meant has not been said", 2),
  MR_COUNT_DIFFERS: code("count-differs", 409, "It is not as many as expected"),
  MR_CROSS_SITE: code("cross-site", 403, "The request comes from another site's page"),
  MR_NOT_FOUND: code("not-found", 404, "There is nothing at this address", 2),
  MR_PREFER_INVALID: code("prefer-invalid", 400, "The Prefer header is malformed", 2),
  MR_AFTER_INVALID: code("after-invalid", 400, "The Millrace-After header is malformed", 2),
  MR_AFTER_TIMEOUT: code("after-timeout", 504, "The worker has not come that far in time"),
  MR_IDEMPOTENCY_KEY: code("idempotency-key", 400, "The Idempotency-Key is malformed", 2),
  MR_IDEMPOTENCY_REUSED: code("idempotency-reused", 422, "The key was used for other content", 2),
  MR_IDEMPOTENCY_RUNNING: code("idempotency-running", 409, "The first request is still running"),

  // Who may do what.
  MR_UNAUTHENTICATED: code("unauthenticated", 401, "Authentication is missing or wrong", 2),
  MR_FORBIDDEN: code("forbidden", 403, "The credentials do not allow this", 2),
  MR_PEER_UNKNOWN: code("peer-unknown", 403, "Only the system's own hosts may ask here"),
  MR_AUTH_UNAVAILABLE: code("auth-unavailable", 503, "The token's issuer cannot be reached"),
  MR_SIGNATURE: code("signature", 401, "The webhook's signature is wrong", 2),
  MR_RATE_LIMITED: code("rate-limited", 429, "The quota is used up"),

  // What the system could not do.
  MR_OVERLOADED: code("overloaded", 503, "The service is busy"),
  MR_DRAINING: code("draining", 503, "This instance is shutting down"),
  MR_QUEUE_UNAVAILABLE: code("queue-unavailable", 503, "The queue cannot be reached", 4),
  MR_QUEUE_BACKLOG: code("queue-backlog", 503, "The queue's backlog is at its limit"),
  MR_QUEUE_FULL: code("queue-full", 507, "The queue's disk is full"),
  MR_RESULT_UNKNOWN: code("result-unknown", 503, "It is not known whether this was accepted"),
  MR_WORKER_UNAVAILABLE: code("worker-unavailable", 503, "The worker cannot be reached", 4),
  MR_TRACES_UNAVAILABLE: code("traces-unavailable", 503, "The traces cannot be reached", 4),
  MR_QUERY_FAILED: code("query-failed", 500, "The query failed"),
  MR_GATEWAY_UNAVAILABLE: code("gateway-unavailable", 503, "No gateway can be reached", 4),
  MR_GATEWAY_FAILED: code("gateway-failed", 502, "The gateway broke off"),
  MR_GATEWAY_TIMEOUT: code("gateway-timeout", 504, "The gateway did not answer in time"),
  MR_INTERNAL: code("internal", 500, "Something went wrong inside"),

  // Data and engines.
  MR_QUEUE_GAP: code(
    "queue-gap",
    500,
    "Events that a worker still needs are gone from the queue",
    1,
  ),
  MR_QUEUE_IDENTITY: code("queue-identity", 500, "This is not the queue that the worker knows", 1),
  MR_QUEUE_SEALED: code("queue-sealed", 409, "The queue is closed by a move", 3),
  MR_MOVE_SOURCE: code("move-source", 409, "The system cannot be moved from where it is", 3),
  MR_MOVE_TARGET: code("move-target", 409, "The system cannot be moved to there", 3),
  MR_MOVE_VALUE: code("move-value", 409, "A value cannot be stored exactly at the target", 1),
  MR_MOVE_DIFFERS: code("move-differs", 500, "What was moved is not what was there", 1),
  MR_QUEUE_DAMAGED: code("queue-damaged", 500, "The queue's data is damaged", 1),
  MR_REPLAY_ENDED: code("replay-ended", 500, "A handler ended the process that rebuilds", 1),
  MR_REPLAY_TRIMMED: code("replay-trimmed", 409, "The queue no longer has all these events", 1),
  MR_DATA_NEWER: code("data-newer", 500, "The data was written by a newer version", 3),
  MR_DATA_DAMAGED: code("data-damaged", 500, "The data folder is damaged", 3),
  MR_DATA_UNUSABLE: code("data-unusable", 500, "The data folder cannot be used", 3),
  MR_DATABASE_UNAVAILABLE: code("database-unavailable", 503, "The database cannot be reached", 4),
  MR_DATABASE_CONFLICT: code("database-conflict", 503, "Transactions stood in each other's way", 4),
  MR_DATABASE_PARAMETER: code(
    "database-parameter",
    500,
    "A database parameter cannot be stored",
    1,
  ),
  MR_CACHE_UNAVAILABLE: code("cache-unavailable", 503, "The cache cannot be reached", 4),
  MR_FENCED: code("fenced", 409, "Another instance owns the partition now", 1),
  MR_HANDLE_CLOSED: code("handle-closed", 500, "A handle was used after its transaction ended", 1),
  MR_EMIT_UNDECLARED: code(
    "emit-undeclared",
    500,
    "The handler emitted an event it does not declare",
    1,
  ),
  MR_EMIT_TOO_DEEP: code("emit-too-deep", 500, "Events cause each other without an end", 1),
  MR_MIGRATION_FAILED: code("migration-failed", 500, "A migration failed", 3),

  // The application and its configuration.
  MR_NODE_VERSION: code("node-version", 500, "This Node is too old", 3),
  MR_SQLITE_VERSION: code("sqlite-version", 500, "This SQLite can damage data", 3),
  MR_CONFIG_INVALID: code("config-invalid", 500, "The configuration is wrong", 3),
  MR_DRIVER_MISSING: code("driver-missing", 500, "An engine's driver is not installed", 3),
  MR_ENGINE_UNSAFE: code("engine-unsafe", 500, "An engine cannot keep the promises", 3),
  MR_PORT_TAKEN: code("port-taken", 500, "The port is taken", 3),
  MR_AUTH_REQUIRED: code(
    "auth-required",
    500,
    "Listening beyond this machine needs authentication",
    3,
  ),
  MR_SECRET_REQUIRED: code(
    "secret-required",
    500,
    "Listening for other hosts needs a shared secret",
    3,
  ),
  MR_INSTANCE_TWICE: code("instance-twice", 500, "Two processes have the same name", 3),
  MR_APP_NOT_FOUND: code("app-not-found", 500, "The application's file cannot be found", 3),
  MR_APP_INVALID: code("app-invalid", 500, "The application has a mistake", 3),
  MR_SYNTAX_UNSUPPORTED: code(
    "syntax-unsupported",
    500,
    "The application uses TypeScript that emits code",
    3,
  ),
  MR_START_FAILED: code("start-failed", 500, "A part of the system did not start", 1),
  MR_USAGE: code("usage", 500, "The command was used wrongly", 2),
} as const satisfies Record<string, ErrorCode>;

export type ErrorCodeName = keyof typeof errorCodes;
