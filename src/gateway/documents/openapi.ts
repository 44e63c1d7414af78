import { limits } from "../../lib/limits.ts";
import { version } from "../../lib/version.ts";
import type { AnyEvent } from "../../system/event.ts";
import type { QueryDefinition } from "../../system/query.ts";
import type { SystemDefinition } from "../../system/system.ts";
import type { AnyWorker } from "../../system/worker.ts";
import { ComponentSchemas, type JsonSchema, schemaOrAnything } from "./component-schemas.ts";
import { ownSchemas } from "./own-schemas.ts";
import {
  answer,
  headers,
  parameter,
  parameters,
  problemAnswers,
  receiptAnswers,
} from "./shared-parts.ts";

export interface OpenApiOptions {
  readonly baseUrl?: string;
  /** False where everybody may do everything. */
  readonly isSecured: boolean;
}

type Paths = Record<string, JsonSchema>;

/**
 * The OpenAPI 3.1.0 document of a system. Written from its definitions rather than collected from
 * routes: the routes know neither the schemas (Standard Schema checks at run time) nor the three
 * forms in which one address takes events.
 */
export function openApiDocument(
  system: SystemDefinition,
  { baseUrl, isSecured }: OpenApiOptions,
): JsonSchema {
  const schemas = new ComponentSchemas();
  for (const [name, schema] of Object.entries(ownSchemas)) schemas.add(name, schema);
  const paths: Paths = {
    ...publishPaths(system.accepts, schemas),
    ...eventPaths(),
    ...Object.assign({}, ...system.workers.map((worker) => queryPaths(worker, schemas))),
    ...webhookPaths(system),
    ...ownPaths(),
  };
  return {
    openapi: "3.1.0",
    info: {
      title: system.name,
      version,
      ...(system.description === undefined ? {} : { description: system.description }),
    },
    ...(baseUrl === undefined ? {} : { servers: [{ url: baseUrl }] }),
    ...(isSecured ? { security: [{ bearer: [] }] } : {}),
    paths,
    components: {
      schemas: schemas.all(),
      parameters,
      headers,
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "An API key (`mr_…`) or a JSON Web Token.",
        },
      },
    },
  };
}

const publishParameters = [
  parameter("IdempotencyKey"),
  parameter("MillraceAt"),
  parameter("Prefer"),
  parameter("Traceparent"),
];
const receipt = { $ref: "#/components/schemas/Receipt" };
const receipts = { $ref: "#/components/schemas/Receipts" };

function publishPaths(accepts: readonly AnyEvent[], schemas: ComponentSchemas): Paths {
  const paths: Paths = { "/events": { post: publishCloudEvents(accepts, schemas) } };
  for (const event of accepts) {
    const data = schemas.add(event.type, schemaOrAnything(event.data));
    paths[`/events/${event.type}`] = {
      post: {
        operationId: `publish ${event.type}`,
        summary: event.description ?? `Publishes ${event.type}.`,
        tags: ["events"],
        parameters: publishParameters,
        requestBody: {
          required: true,
          content: {
            "application/json": { schema: data },
            "application/x-ndjson": {
              schema: {
                type: "string",
                description: `One event's data a line, appended in chunks of ${limits.ndjsonChunkLinesMax}.`,
              },
            },
          },
        },
        responses: receiptAnswers({ anyOf: [receipt, receipts] }),
      },
    };
  }
  return paths;
}

function publishCloudEvents(accepts: readonly AnyEvent[], schemas: ComponentSchemas): JsonSchema {
  const cloudEvent = schemas.add("CloudEvent", {
    type: "object",
    required: ["specversion", "id", "source", "type"],
    properties: {
      specversion: { const: "1.0" },
      id: { type: "string", minLength: 1, maxLength: limits.idBytesMax },
      source: { type: "string", format: "uri-reference", maxLength: limits.sourceBytesMax },
      type: { enum: accepts.map(({ type }) => type) },
      time: { type: "string", format: "date-time" },
      subject: { type: "string" },
      millraceat: { type: "string", format: "date-time" },
      datacontenttype: { type: "string" },
      dataschema: { type: "string", format: "uri" },
      data: {},
      data_base64: { type: "string", contentEncoding: "base64" },
    },
    additionalProperties: { type: ["string", "integer", "boolean", "null"] },
  });
  return {
    operationId: "publish CloudEvents",
    summary: "Publishes CloudEvents 1.0: structured, batched, or binary (with `ce-` headers).",
    tags: ["events"],
    parameters: publishParameters,
    requestBody: {
      required: true,
      content: {
        "application/cloudevents+json": { schema: cloudEvent },
        "application/cloudevents-batch+json": {
          schema: { type: "array", items: cloudEvent, maxItems: limits.batchEventsMax },
        },
        "application/json": {
          schema: { description: "Binary mode: the data; attributes are `ce-` headers." },
        },
      },
    },
    responses: receiptAnswers({ anyOf: [receipt, receipts] }),
  };
}

function eventPaths(): Paths {
  const shared = [parameter("EventId"), parameter("Source")];
  return {
    "/events/{id}": {
      get: {
        operationId: "get event",
        summary: "Where an event stands at each worker that handles it.",
        tags: ["events"],
        parameters: [...shared, parameter("Prefer")],
        responses: {
          "200": answer("The event.", { $ref: "#/components/schemas/Event" }),
          ...problemAnswers,
        },
      },
      delete: {
        operationId: "cancel event",
        summary: "Cancels an event whose time of delivery is still to come.",
        tags: ["events"],
        parameters: shared,
        responses: {
          "200": answer("It is cancelled, now or before.", { type: "object" }),
          ...problemAnswers,
        },
      },
    },
    "/events/{id}/trace": {
      get: {
        operationId: "get trace",
        summary: "The recorded hops of the traces in which an event takes part.",
        tags: ["events"],
        parameters: shared,
        responses: { "200": answer("The traces.", { type: "object" }), ...problemAnswers },
      },
    },
  };
}

function queryPaths(worker: AnyWorker, schemas: ComponentSchemas): Paths {
  const paths: Paths = {};
  for (const [name, { input, description }] of Object.entries<QueryDefinition>(worker.queries)) {
    const inputName = `${worker.name}.${name}.input`;
    schemas.add(inputName, schemaOrAnything(input));
    paths[`/${worker.name}/${name}`] = {
      get: {
        operationId: `${worker.name}/${name}`,
        summary: description ?? `The query ${name} of ${worker.name}.`,
        tags: [worker.name],
        parameters: [
          ...inputParameters(schemas.get(inputName) ?? {}),
          parameter("MillraceAfter"),
          parameter("Traceparent"),
        ],
        responses: { "200": answer("The answer.", {}), ...problemAnswers },
      },
    };
  }
  return paths;
}

/** The members of a query's input are the parameters of its address. */
function inputParameters({ properties = {}, required = [] }: JsonSchema): JsonSchema[] {
  return Object.entries(properties as Record<string, JsonSchema>).map(([name, schema]) => ({
    name,
    in: "query",
    required: (required as string[]).includes(name),
    schema,
  }));
}

function webhookPaths({ webhooks }: SystemDefinition): Paths {
  const paths = webhooks.map(({ path, description }) => {
    const post = {
      operationId: `webhook ${path}`,
      summary: description ?? "Takes somebody else's signed webhook.",
      tags: ["webhooks"],
      // The signature stands for the credentials.
      security: [],
      requestBody: { required: true, content: { "application/json": { schema: {} } } },
      responses: {
        ...receiptAnswers(receipt),
        "204": { description: "Of no interest; nothing was stored." },
      },
    };
    return [path, { post }];
  });
  return Object.fromEntries(paths);
}

/** Addresses that serve documents and probes, to everybody. */
function ownPaths(): Paths {
  const get = (operationId: string, summary: string, type: string, path?: string): JsonSchema => ({
    get: {
      ...{ operationId, summary, tags: ["service"], security: [] },
      ...(path === undefined
        ? {}
        : {
            parameters: [{ name: path, in: "path", required: true, schema: { type: "string" } }],
          }),
      responses: {
        "200": { description: summary, content: { [type]: { schema: {} } } },
        ...problemAnswers,
      },
    },
  });
  return {
    "/openapi.json": get("openapi", "This document.", "application/json"),
    "/schemas/{type}": get("schema", "An event's schema.", "application/schema+json", "type"),
    "/problems/{slug}": get("problem", "What a problem's type means.", "text/html", "slug"),
    "/livez": get("livez", "This process answers.", "application/health+json"),
    "/readyz": get("readyz", "This process wants requests.", "application/health+json"),
  };
}
