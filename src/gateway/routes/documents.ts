import type { FastifyInstance } from "fastify";
import type { RouteTools } from "./tools.ts";
export async function documentRoutes(
  _app: FastifyInstance,
  _tools: RouteTools,
  _b: string | undefined,
): Promise<void> {}
