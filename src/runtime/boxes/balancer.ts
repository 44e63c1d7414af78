import { createBalancer } from "../../balancer/balancer.ts";
import type { BalancerPlan } from "../topology.ts";
import type { StartBox } from "./box.ts";
import { tracingOf } from "./box-tracing.ts";

/** Starts the load balancer. */
export const startBalancer: StartBox<BalancerPlan> = async (plan, context) => {
  const { config, clock, log } = context;
  const tracing = await tracingOf(plan.title, context);
  const balancer = createBalancer({
    listen: plan.listen,
    gateways: plan.gateways,
    policy: config.balance,
    publishPaths: plan.publishPaths,
    tracing,
    clock,
    log,
    limits: {
      drainMs: config.drainMs,
      connectionsPerAddressMax: config.connectionsPerAddress,
    },
    ...(config.publicUrl === "" ? {} : { baseUrl: config.publicUrl.replace(/\/+$/, "") }),
  });
  await balancer.start();
  const { address } = balancer;
  return {
    ...("port" in address ? { port: address.port } : {}),
    async steer(gateway, serving) {
      if (serving) balancer.resume(gateway);
      else await balancer.drain(gateway);
    },
    async stop() {
      await balancer.stop();
      await tracing.stop();
    },
  };
};
