import { fileURLToPath } from "node:url";
import type { FastifyInstance } from "fastify";
import type { RouteTools } from "./tools.ts";

/** Nothing from elsewhere, in no frame, and no guessing of types. */
export const pageHeaders = {
  "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
} as const;

/** The application's own static files: `index.html` at `/`. */
export async function pageRoutes(app: FastifyInstance, tools: RouteTools): Promise<void> {
  const { page } = tools.system;
  if (page === undefined) return;
  const { default: serveStatic } = await import("@fastify/static");
  await app.register(async (scope) => {
    scope.addHook("onRequest", tools.guard.open);
    await scope.register(serveStatic, {
      root: fileURLToPath(page),
      prefix: "/",
      dotfiles: "ignore",
      setHeaders: (reply) => {
        reply.headers(pageHeaders);
      },
    });
  });
}
