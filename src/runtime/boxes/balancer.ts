import { createBalancer } from "../../balancer/balancer.ts";
import { type Address, formatAddress } from "../../lib/address.ts";
import { followAddresses } from "../../lib/follow-addresses.ts";
import { peerToken } from "../../lib/http/peer-token.ts";
import type { BalancerPlan } from "../topology.ts";
import type { StartBox } from "./box.ts";
import { tracingOf } from "./box-tracing.ts";

/** Starts the load balancer. */
export const startBalancer: StartBox<BalancerPlan> = async (plan, context) => {
  const { config, clock, log } = context;
  const tracing = await tracingOf(plan.title, context);
  const balancer = createBalancer({
    listen: plan.listen,
    gateways: [],
    peer: peerToken(config.clusterSecret, "gateway"),
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
  const names = new Map(plan.gateways.map(({ name, address }) => [formatAddress(address), name]));
  const named = (address: Address) => {
    const text = formatAddress(address);
    return { name: names.get(text) ?? text, address };
  };
  const following = followAddresses(
    plan.gateways.map(({ address }) => address),
    { clock, changed: (found) => balancer.setGateways(found.map(named)) },
  );
  await following.ready;
  await balancer.start();
  const { address } = balancer;
  return {
    ...("port" in address ? { port: address.port } : {}),
    async steer(gateway, serving) {
      if (serving) balancer.resume(gateway);
      else await balancer.drain(gateway);
    },
    async stop() {
      following[Symbol.dispose]();
      await balancer.stop();
      await tracing.stop();
    },
  };
};
