import type { StaticDocumentSpec } from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { MillraceError } from "../../lib/errors.ts";
import { problemPage } from "../../lib/http/problem-page.ts";
import { jsonType } from "../answers.ts";
import { schemaOrAnything } from "../documents/component-schemas.ts";
import { openApiDocument } from "../documents/openapi.ts";
import { pageHeaders } from "./page.ts";
import type { RouteTools } from "./tools.ts";

export interface DocumentOptions {
  readonly baseUrl?: string;
  readonly isSecured: boolean;
}

/** What the API says of itself. Open to everybody: clients need it before they have a key. */
export async function documentRoutes(
  app: FastifyInstance,
  tools: RouteTools,
  options: DocumentOptions,
): Promise<void> {
  const { system, guard } = tools;
  const onRequest = guard.open;
  const document = openApiDocument(system, options);
  const documentText = JSON.stringify(document);
  app.get("/openapi.json", { onRequest }, async (_request, reply) =>
    reply.header("content-type", jsonType).send(documentText),
  );
  app.get<{ Params: { type: string } }>(
    "/schemas/:type",
    { onRequest },
    async ({ params }, reply) => {
      const event = system.events.get(params.type);
      if (event === undefined) throw nothingHere("There is no event type of this name.");
      const schema = { $id: `/schemas/${event.type}`, ...schemaOrAnything(event.data) };
      return reply
        .header("content-type", "application/schema+json")
        .send(Buffer.from(JSON.stringify(schema)));
    },
  );
  app.get<{ Params: { slug: string } }>(
    "/problems/:slug",
    { onRequest },
    async ({ params }, reply) => {
      const page = problemPage(params.slug);
      if (page === undefined) throw nothingHere("There is no problem type of this name.");
      return reply
        .headers(pageHeaders)
        .header("content-type", "text/html; charset=utf-8")
        .send(page);
    },
  );
  await docsPage(app, tools, document);
}

const nothingHere = (message: string): MillraceError => new MillraceError("MR_NOT_FOUND", message);

/** `/docs`: Swagger UI over the document, without anything from elsewhere. */
async function docsPage(app: FastifyInstance, tools: RouteTools, document: object): Promise<void> {
  const [{ default: swagger }, { default: swaggerUi }] = await Promise.all([
    import("@fastify/swagger"),
    import("@fastify/swagger-ui"),
  ]);
  await app.register(async (scope) => {
    scope.addHook("onRequest", tools.guard.open);
    // The plugin's types know the documents of 3.0 only; it passes ours through as it is.
    const specification = { document: document as StaticDocumentSpec["document"] };
    await scope.register(swagger, { mode: "static", specification });
    await scope.register(swaggerUi, {
      routePrefix: "/docs",
      staticCSP: true,
      transformStaticCSP: ownContentOnly,
      // Without the bar on top, which is for looking at other documents.
      uiConfig: { layout: "BaseLayout" },
      theme: { title: `${tools.system.name}: the HTTP interface` },
    });
  });
}

/**
 * The plugin's policy with the hashes of its page, but nothing from elsewhere, no framing, and no
 * upgrade to TLS, which this server does not speak.
 */
const ownContentOnly = (policy: string): string =>
  policy
    .split(";")
    .map((directive) => directive.trim())
    .filter((directive) => directive !== "" && directive !== "upgrade-insecure-requests")
    .map((directive) => directive.replace(/ (?:https:|validator\.swagger\.io)(?= |$)/g, ""))
    .map((directive) => directive.replace(/^frame-ancestors .*/, "frame-ancestors 'none'"))
    // Swagger UI writes styles into its elements; they carry nothing of anybody's.
    .map((directive) => directive.replace(/^style-src .*/, "style-src 'self' 'unsafe-inline'"))
    .join("; ");
