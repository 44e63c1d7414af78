import { createGateway } from "../../gateway/gateway.ts";
import { networkTrust, type TrustOf } from "../../gateway/trust.ts";
import { peerToken } from "../../lib/http/peer-token.ts";
import { limits } from "../../lib/limits.ts";
import { createProducer } from "../../producer/producer.ts";
import { createQueue } from "../../queue/queue.ts";
import type { SystemDefinition } from "../../system/system.ts";
import { createHttpWorkerLink } from "../../worker/http-link.ts";
import type { Config } from "../config.ts";
import { patiently } from "../patience.ts";
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
    patiently(() => engines.queue(), context),
    engines.spans(),
    authOf(context),
  ]);
  const queue = createQueue(engine, { clock });
  const producer = createProducer({ queue, tracing, clock });
  const links = plan.workers.map(({ name, addresses }) =>
    createHttpWorkerLink(name, addresses, {
      clock,
      token: peerToken(config.clusterSecret, "worker"),
    }),
  );
  const gateway = createGateway({
    system,
    producer,
    queue,
    workers: new Map(links.map((link) => [link.name, link])),
    tracing,
    spans,
    auth,
    listen: plan.listen,
    // A Unix socket can be opened by this user's processes only: the balancer.
    trustProxy: "socketPath" in plan.listen || trustOnNetwork(config),
    drainDelayMs: "socketPath" in plan.listen ? 0 : limits.drainDelayMs,
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

const trustOnNetwork = ({ clusterSecret, trustedProxies }: Config): TrustOf =>
  networkTrust({ token: peerToken(clusterSecret, "gateway"), proxies: trustedProxies });

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
