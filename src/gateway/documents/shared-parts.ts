import { limits } from "../../lib/limits.ts";
import { problemMediaType } from "../../lib/problem.ts";
import type { JsonSchema } from "./component-schemas.ts";

/** Parameters that many operations share, by their names among the components. */
export const parameters = {
  IdempotencyKey: {
    name: "Idempotency-Key",
    in: "header",
    description: `A repeat with the same key and content returns the first receipt, for ${limits.idWindowMs / 3_600_000} hours. Other content is refused.`,
    schema: { type: "string", minLength: 1, maxLength: limits.idempotencyKeyLengthMax },
    example: '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
  },
  Prefer: {
    name: "Prefer",
    in: "header",
    description: `RFC 7240. \`wait=N\`: answer 200 once every worker has applied the event, else 202 after N seconds (at most ${limits.preferWaitSecondsMax}). \`return=minimal\`: no body.`,
    schema: { type: "string" },
    example: "wait=5",
  },
  MillraceAt: {
    name: "Millrace-At",
    in: "header",
    description:
      "RFC 3339: the events are delivered at this time, not before. Until then they can be cancelled.",
    schema: { type: "string", format: "date-time" },
    example: "2027-01-31T12:00:00Z",
  },
  MillraceAfter: {
    name: "Millrace-After",
    in: "header",
    description:
      "Positions of receipts, as `partition:position, …`: the worker answers once it has applied that far, so that a client reads its own writes.",
    schema: { type: "string" },
    example: "7:1, 3:9",
  },
  Traceparent: {
    name: "traceparent",
    in: "header",
    description: "W3C Trace Context of the caller.",
    schema: { type: "string" },
  },
  EventId: {
    name: "id",
    in: "path",
    required: true,
    schema: { type: "string", maxLength: limits.idBytesMax },
  },
  Source: {
    name: "source",
    in: "query",
    description: "The event's source, where several sources used its id.",
    schema: { type: "string" },
  },
} as const;

export const parameter = (name: keyof typeof parameters): JsonSchema => ({
  $ref: `#/components/parameters/${name}`,
});

const text = { schema: { type: "string" } };

/** Headers of answers, by their names among the components. */
export const headers = {
  Location: { description: "The address of the event.", ...text },
  RateLimit: { description: 'What is left of the quota: `"default";r=50;t=30`.', ...text },
  RateLimitPolicy: { description: 'The quota: `"default";q=100;w=60`.', ...text },
  RetryAfter: {
    description: "Whole seconds until another try makes sense.",
    schema: { type: "integer" },
  },
  PreferenceApplied: { description: "The preferences that were honoured.", ...text },
} as const;

const header = (name: keyof typeof headers): JsonSchema => ({
  $ref: `#/components/headers/${name}`,
});

const quota = { RateLimit: header("RateLimit"), "RateLimit-Policy": header("RateLimitPolicy") };
const problemSchema = { $ref: "#/components/schemas/Problem" };
const problem = (description: string, more: JsonSchema = {}): JsonSchema => ({
  description,
  headers: { ...quota, ...more },
  content: { [problemMediaType]: { schema: problemSchema } },
});

/** What every operation can answer besides its own answer. */
export const problemAnswers = {
  "4XX": problem("The request cannot be fulfilled; the problem says why and what to do.", {
    "Retry-After": header("RetryAfter"),
  }),
  "5XX": problem("The system cannot fulfil the request now.", {
    "Retry-After": header("RetryAfter"),
  }),
} as const;

/** An answer with JSON of this schema. */
export const answer = (description: string, schema: JsonSchema): JsonSchema => ({
  description,
  headers: quota,
  content: { "application/json": { schema } },
});

/** The two answers to what publishes one event. */
export const receiptAnswers = (schema: JsonSchema): JsonSchema => {
  const more = {
    ...quota,
    Location: header("Location"),
    "Preference-Applied": header("PreferenceApplied"),
  };
  const content = { "application/json": { schema } };
  return {
    "200": { description: "Every worker has applied the event.", headers: more, content },
    "202": { description: "The events are durable.", headers: more, content },
    ...problemAnswers,
  };
};
