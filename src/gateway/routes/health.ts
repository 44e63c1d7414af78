import type { FastifyInstance, FastifyReply } from "fastify";
import type { Clock } from "../../lib/clock.ts";
import type { FindsEvents } from "../options.ts";

type Status = "pass" | "warn" | "fail";

interface HealthOptions {
  readonly queue: FindsEvents;
  readonly clock: Clock;
  /** Started, not draining, not overloaded. */
  readonly isReady: () => boolean;
}

/** Probes come every half second from everybody; the queue is asked this often. */
const queueAskedMs = 1_000;

/**
 * `/livez`: this process answers. `/readyz`: it wants requests. A queue that is down does not make
 * a gateway unready, since that would take all of them away at once while queries still work: it
 * warns.
 */
export function healthRoutes(app: FastifyInstance, { queue, clock, isReady }: HealthOptions): void {
  const queueStatus = askedSeldom(clock, async (): Promise<Status> => {
    const health = await queue.health();
    return health.status === "pass" ? "pass" : "warn";
  });
  app.get("/livez", async (_request, reply) => sendHealth(reply, "pass"));
  app.get("/readyz", async (_request, reply) =>
    sendHealth(reply, isReady() ? await queueStatus() : "fail"),
  );
}

const sendHealth = (reply: FastifyReply, status: Status): FastifyReply =>
  reply
    .code(status === "fail" ? 503 : 200)
    .header("content-type", "application/health+json")
    .header("cache-control", "no-store")
    .send(Buffer.from(`{"status":"${status}"}`));

function askedSeldom(clock: Clock, ask: () => Promise<Status>): () => Promise<Status> {
  let answer: Promise<Status> | undefined;
  let askedAt = 0;
  return () => {
    if (answer === undefined || clock.monotonic() - askedAt >= queueAskedMs) {
      askedAt = clock.monotonic();
      answer = ask().catch((): Status => "warn");
    }
    return answer;
  };
}
