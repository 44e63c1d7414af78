import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { MillraceError } from "../lib/errors.ts";
import type { Guard } from "./guard.ts";
import { pathOf } from "./problems.ts";

/** Answers what no route takes: another method of a known address, a query, or just an address. */
export function answerNotFound(app: FastifyInstance, guard: Guard): void {
  app.setNotFoundHandler({ preHandler: guard.open }, (request, reply) => {
    throw notFound(app, request, reply);
  });
}

function notFound(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
): MillraceError {
  const path = pathOf(request);
  const methods = (["GET", "POST", "DELETE"] as const).filter((method) => takes(app, method, path));
  if (methods.length > 0) {
    const allow = methods.flatMap((method) => (method === "GET" ? ["GET", "HEAD"] : [method]));
    reply.header("allow", allow.join(", "));
    return new MillraceError("MR_METHOD_NOT_ALLOWED", `${request.method} has no meaning here.`, {
      remedy: `Allowed: ${allow.join(", ")}.`,
    });
  }
  // The names that workers and queries can have; a file has a dot.
  if (request.method === "GET" && /^\/[a-z][a-z0-9-]*\/[A-Za-z][A-Za-z0-9-]*$/.test(path)) {
    return new MillraceError("MR_QUERY_UNKNOWN", `There is no query at ${path}.`, {
      remedy: "The queries of all workers stand in /openapi.json.",
    });
  }
  return new MillraceError("MR_NOT_FOUND", "There is nothing at this address.", {
    remedy: "All addresses stand in /openapi.json.",
  });
}

/** Addresses with a parameter are looked up by their pattern, all others as they are. */
function takes(app: FastifyInstance, method: "GET" | "POST" | "DELETE", path: string): boolean {
  const pattern = path
    .replace(/^\/events\/[^/]+/, "/events/:id")
    .replace(/^\/problems\/[^/]+$/, "/problems/:slug")
    .replace(/^\/schemas\/[^/]+$/, "/schemas/:type");
  const route = method === "POST" ? pattern.replace(/:id$/, ":type") : pattern;
  return app.hasRoute({ method, url: route });
}
