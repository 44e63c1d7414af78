import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import Fastify from "fastify";

/** An event as every peer gets it. */
export interface Note {
  readonly key: string;
  readonly n: number;
  readonly at: number;
  readonly text: string;
}

const body = {
  type: "object",
  required: ["key", "n", "at", "text"],
  additionalProperties: false,
  properties: {
    key: { type: "string" },
    n: { type: "number" },
    at: { type: "number" },
    text: { type: "string" },
  },
} as const;

/** What each peer does with a request once it has been checked; its result is the answer. */
export type Accept = (note: Note) => Promise<unknown>;

/** The same front for all peers: one route, checked by a JSON schema. */
export function createApp(accept: Accept) {
  const app = Fastify();
  app.post<{ Body: Note }>("/events/note.posted", { schema: { body } }, async (request, reply) => {
    reply.code(202);
    return await accept(request.body);
  });
  // What a balancer in front asks, and what it is asked for when queries are measured.
  app.get("/readyz", async () => "ready");
  app.get("/count", async () => ({ key: "u001", events: 1 }));
  return app;
}

/** Listens where the benchmark says, and tells it. */
export async function listen(app: ReturnType<typeof createApp>): Promise<void> {
  const path = process.env.BENCH_LISTEN ?? "";
  mkdirSync(dirname(path), { recursive: true });
  await app.listen({ path });
  process.send?.("ready");
}
