import type { FastifyInstance } from "fastify";
import { MillraceError } from "../../lib/errors.ts";
import { goneSignal, jsonType } from "../answers.ts";
import { parseAfter } from "../request-headers.ts";
import type { RouteTools } from "./tools.ts";

/** `GET /{worker}/{query}`: a worker's query, run by the worker beside its cache and database. */
export function queryRoutes(app: FastifyInstance, tools: RouteTools): void {
  const { system, guard, queue, workers } = tools;
  for (const worker of system.workers) {
    const onRequest = guard.requires("queries:read", () => worker.name);
    for (const query of Object.keys(worker.queries)) {
      app.get(`/${worker.name}/${query}`, { onRequest }, async (request, reply) => {
        const after = parseAfter(request.headers["millrace-after"], queue.partitions);
        const link = workers.get(worker.name);
        if (link === undefined) throw unavailable(worker.name);
        const { url = "" } = request.raw;
        const mark = url.indexOf("?");
        const search = mark < 0 ? "" : url.slice(mark + 1);
        const answer = await link.query(query, search, after, goneSignal(reply));
        return reply
          .header("content-type", jsonType)
          .header("cache-control", "no-store")
          .send(answer);
      });
    }
  }
}

const unavailable = (worker: string): MillraceError =>
  new MillraceError("MR_WORKER_UNAVAILABLE", `No instance of ${worker} can be reached.`, {
    retryAfterSeconds: 1,
  });
