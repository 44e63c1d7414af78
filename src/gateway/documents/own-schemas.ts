import { errorCodes } from "../../lib/error-codes.ts";
import { limits } from "../../lib/limits.ts";
import type { JsonSchema } from "./component-schemas.ts";

const string = { type: "string" } as const;
const integer = { type: "integer" } as const;

const standingStates = [
  ...["waiting", "scheduled", "cancelled", "done", "retrying", "behind", "dead", "unknown"],
];

/** The documents that the gateway itself writes, by their names among the components. */
export const ownSchemas: Readonly<Record<string, JsonSchema>> = {
  Receipt: {
    type: "object",
    required: ["id", "partition", "position", "durable"],
    properties: {
      id: string,
      partition: integer,
      position: integer,
      durable: { type: "string", description: "`disk`, `replicated(n)`, or `memory`." },
      synced: {
        type: "boolean",
        description: "Whether a replica counts once its disk has it; absent where nobody can tell.",
      },
      duplicate: { const: true, description: "The event was known; all else is of the first." },
    },
  },
  Receipts: {
    type: "object",
    required: ["accepted", "duplicates", "positions"],
    properties: {
      accepted: integer,
      duplicates: integer,
      receipts: {
        type: "array",
        items: { $ref: "#/components/schemas/Receipt" },
        description: `Left out beyond ${limits.receiptsPerAnswerMax} events.`,
      },
      positions: {
        type: "object",
        additionalProperties: integer,
        description: "Partition → the highest position, for Millrace-After.",
      },
    },
  },
  Standing: {
    type: "object",
    required: ["state"],
    properties: {
      state: { enum: [...standingStates] },
      at: { type: "string", format: "date-time", description: "When it will be delivered." },
      attempts: integer,
      nextAttemptAt: { type: "string", format: "date-time" },
      eventId: { type: "string", description: "The event behind which this one waits." },
      error: string,
    },
  },
  Event: {
    type: "object",
    required: ["id", "source", "partition", "position", "acceptedAt", "state", "workers"],
    properties: {
      ...{ id: string, source: string, type: string, key: string },
      time: { type: "string", format: "date-time" },
      acceptedAt: { type: "string", format: "date-time" },
      partition: integer,
      position: integer,
      state: { enum: ["pending", "scheduled", "done", "dead", "cancelled"] },
      workers: {
        type: "object",
        additionalProperties: { $ref: "#/components/schemas/Standing" },
      },
    },
  },
  Problem: {
    type: "object",
    description: "RFC 9457.",
    required: ["type", "title", "status", "detail", "code"],
    properties: {
      type: { type: "string", format: "uri-reference" },
      title: string,
      status: integer,
      detail: string,
      instance: string,
      code: { enum: Object.keys(errorCodes) },
      traceId: string,
      errors: {
        type: "array",
        items: { type: "object", properties: { detail: string, pointer: string } },
      },
      accepted: { type: "integer", description: "Events of a stream that are durable already." },
    },
  },
};
