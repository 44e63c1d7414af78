import { assertAuthConfigured } from "../gateway/auth/authenticate.ts";
import { isLoopback } from "../lib/address.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Config } from "./config.ts";
import type { BoxPlan } from "./topology.ts";

/**
 * Nothing is open to other machines without asking who they are.
 *
 * @throws MR_AUTH_REQUIRED
 */
export function assertAccessSafe({ host, adminHost, adminPort, auth }: Config): void {
  const mode = auth.includes("open") ? "open" : "required";
  assertAuthConfigured(host, { mode });
  if (adminPort !== "off") assertAuthConfigured(adminHost, { mode });
}

/**
 * What other hosts' boxes can reach asks for the secret; gateways can do with proxies whose
 * addresses are known, and ask clients who they are, whoever is in front.
 *
 * @throws MR_SECRET_REQUIRED, MR_AUTH_REQUIRED
 */
export function assertPeersKnown(config: Config, plans: readonly BoxPlan[]): void {
  const { listen, clusterSecret, trustedProxies, auth } = config;
  if (listen === undefined || isLoopback(listen.host)) return;
  const reached = new Set(plans.map(({ kind }) => kind));
  reached.delete("balancer");
  // In front of gateways there may be a proxy instead of our balancer.
  if (trustedProxies.length > 0) reached.delete("gateway");
  if (reached.size > 0 && clusterSecret === "") {
    throw new MillraceError(
      "MR_SECRET_REQUIRED",
      `MILLRACE_LISTEN on ${listen.host} lets other machines in.`,
      {
        remedy:
          "Set MILLRACE_CLUSTER_SECRET to the same random text on all hosts, or listen on 127.0.0.1.",
      },
    );
  }
  const mode = auth.includes("open") ? "open" : "required";
  if (plans.some(({ kind }) => kind === "gateway")) assertAuthConfigured(listen.host, { mode });
}
