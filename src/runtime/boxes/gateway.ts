import { createGateway } from "../../gateway/gateway.ts";
import { createProducer } from "../../producer/producer.ts";
import { createQueue } from "../../queue/queue.ts";
import type { SystemDefinition } from "../../system/system.ts";
import { createHttpWorkerLink } from "../../worker/http-link.ts";
import type { GatewayPlan } from "../topology.ts";
import type { BoxContext, StartBox } from "./box.ts";
import { tracingOf } from "./box-tracing.ts";
import { authOf } from "./gateway-auth.ts";

/** Starts an API gateway with the event producer inside. */
export const startGateway: StartBox<GatewayPlan> = async (plan, context) => {
  const { config, clock, log, engines } = context;
  const [system, tracing, engine, spans, auth] = await Promise.all([
    context.application(),
    tracingOf(plan.title, context),
    engines.queue(),
    engines.spans(),
    authOf(context),
  ]);
  const queue = createQueue(engine, { clock });
  const producer = createProducer({ queue, tracing, clock });
  const links = plan.workers.map(({ name, addresses }) => createHttpWorkerLink(name, addresses));
  const gateway = createGateway({
    system,
    producer,
    queue,
    workers: new Map(links.map((link) => [link.name, link])),
    tracing,
    spans,
    auth,
    listen: plan.listen,
    // It listens on a Unix socket that only this user's processes can open: the balancer.
    trustProxy: "socketPath" in plan.listen,
    clock,
    log,
    name: plan.title,
    drainMs: config.drainMs,
    idempotencyKeyRequired: config.idempotencyKey === "required",
    ...(config.publicUrl === "" ? {} : { baseUrl: config.publicUrl.replace(/\/+$/, "") }),
    ...(await rateLimitsOf(system, context)),
  });
  await gateway.start();
  return {
    async stop() {
      await gateway.stop();
      await producer.stop();
      auth[Symbol.dispose]();
      await Promise.all(links.map((link) => link.close()));
      await tracing.stop();
    },
  };
};

/** Each gateway counts for itself and has its share of a client's quota, or all share it. */
async function rateLimitsOf(system: SystemDefinition, { config, engines }: BoxContext) {
  const { ratePerMinute, gateways } = config;
  if (ratePerMinute === 0) return {};
  const whole = { requests: ratePerMinute, windowSeconds: 60 };
  const share = Math.ceil(ratePerMinute / gateways);
  const rateCounter = await engines.rateCounter(system.name, whole, share);
  if (rateCounter !== undefined) return { rateLimits: whole, rateCounter };
  return { rateLimits: { ...whole, requests: share } };
}
