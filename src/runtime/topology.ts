import { hostname } from "node:os";
import { type Address, formatAddress, type HostAddress } from "../lib/address.ts";
import { MillraceError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { Config } from "./config.ts";
import type { DataFolder } from "./data-folder.ts";
import { type Selection, selects } from "./selection.ts";

/**
 * One box: what it is, where it listens and whom it must reach. Plain data, sent to its process.
 */
export type BoxPlan = BalancerPlan | GatewayPlan | WorkerPlan | AdminPlan;

/** All boxes in one process, for `millrace dev`; which these are, it reads from the application. */
export interface PicturePlan {
  readonly kind: "picture";
  readonly name: "picture";
}

/** What one process runs. */
export type ProcessPlan = BoxPlan | PicturePlan;

export interface BalancerPlan {
  readonly kind: "balancer";
  readonly name: "balancer";
  /** For people: logs, traces, the screen. */
  readonly title: string;
  readonly listen: Address;
  /** Behind an address that is a name there may be several. */
  readonly gateways: readonly { readonly name: string; readonly address: Address }[];
  /** Addresses of webhooks: like those of events, requests there must not be repeated blindly. */
  readonly publishPaths: readonly string[];
}

export interface GatewayPlan {
  readonly kind: "gateway";
  /** `gateway-1`. */
  readonly name: string;
  /** `gateway 1`. */
  readonly title: string;
  readonly listen: Address;
  /** Every worker's instances. */
  readonly workers: readonly { readonly name: string; readonly addresses: readonly Address[] }[];
}

export interface WorkerPlan {
  readonly kind: "worker";
  /** `worker-timelines-1`. */
  readonly name: string;
  /** `worker timelines 1`. */
  readonly title: string;
  readonly worker: string;
  /** `timelines 1`, or `timelines 1 on d` where hosts share the worker's database. */
  readonly instance: string;
  readonly listen: Address;
}

export interface AdminPlan {
  readonly kind: "admin";
  readonly name: "admin";
  readonly title: string;
  readonly listen: Address;
  /** Where it serves this host's traces to all others. */
  readonly spans?: Address;
}

/**
 * Which processes make up the system, and which of them are to run here. Boxes of this host find
 * each other by the data folder alone, also when they are started apart; those of other hosts stand
 * in the configuration.
 *
 * @throws MR_CONFIG_INVALID, MR_USAGE where a worker is named that the application does not have
 */
export function planTopology(
  system: SystemDefinition,
  config: Config,
  data: DataFolder,
  selection: Selection = "all",
): readonly BoxPlan[] {
  checkWorkerNames(system, config, selection);
  const host = hostOf(config);
  const at = host === "" ? "" : ` on ${host}`;
  const gateways = numbered("gateway", config.gateways);
  const workers = system.workers.map(({ name }) => ({
    name,
    boxes: numbered(`worker-${name}`, config.workers.get(name) ?? 1),
  }));
  const places = placesOf(config, data, [
    ...(selects(selection, "gateway") ? gateways : []),
    ...workers.flatMap(({ name, boxes }) => (selects(selection, "worker", name) ? boxes : [])),
    ...(selects(selection, "admin") ? ["admin"] : []),
  ]);

  const balancer: BalancerPlan = {
    kind: "balancer",
    name: "balancer",
    title: `balancer${at}`,
    listen: { host: config.host, port: config.port },
    gateways:
      config.gatewayUrls.length > 0
        ? config.gatewayUrls.map((address) => ({ name: formatAddress(address), address }))
        : gateways.map((name) => ({ name, address: places.reach(name) })),
    publishPaths: system.webhooks.map(({ path }) => path),
  };
  const reached = workers.map(({ name, boxes }) => ({
    name,
    addresses: config.workerUrls.get(name) ?? boxes.map((box) => places.reach(box)),
  }));
  const gatewayPlans = gateways.map(
    (name, index): GatewayPlan => ({
      kind: "gateway",
      name,
      title: `gateway ${index + 1}${at}`,
      listen: places.listen(name),
      workers: reached,
    }),
  );
  const workerPlans = workers.flatMap(({ name: worker, boxes }) =>
    boxes.map((name, index): WorkerPlan => {
      const instance = `${worker} ${index + 1}${at}`;
      const title = `worker ${instance}`;
      return { kind: "worker", name, title, worker, instance, listen: places.listen(name) };
    }),
  );
  const admin = adminPlans(config, selection, at).map((plan) =>
    config.listen === undefined ? plan : { ...plan, spans: places.listen("admin") },
  );
  const plans = [balancer, ...gatewayPlans, ...workerPlans, ...admin];
  return plans.filter((plan) => isSelected(plan, selection));
}

/** None where it is turned off. */
function adminPlans(config: Config, selection: Selection, at: string): AdminPlan[] {
  const { adminHost: host, adminPort: port } = config;
  const plan = { kind: "admin", name: "admin", title: `admin${at}` } as const;
  if (port !== "off") return [{ ...plan, listen: { host, port } }];
  if (selection === "all" || !selects(selection, "admin")) return [];
  throw new MillraceError(
    "MR_USAGE",
    "--only names admin, which MILLRACE_DASHBOARD_PORT turns off.",
  );
}

/**
 * Instances hold their partitions by their names, so two hosts must never have an equal one. Where
 * the workers' databases lie in this host's data folder there is no second host.
 */
function hostOf({ hostName, database }: Config): string {
  if (hostName !== "") return hostName;
  return database === "sqlite:" || database === "memory:" ? "" : hostname();
}

interface Places {
  /** Where a box listens. */
  listen(box: string): Address;
  /** Where it is reached from this host. */
  reach(box: string): Address;
}

/** Sockets in the data folder, or for those that run here, one port after another. */
function placesOf({ listen }: Config, data: DataFolder, here: readonly string[]): Places {
  const placeOf = (box: string, host: (listen: HostAddress) => string): Address => {
    const index = here.indexOf(box);
    if (listen === undefined || index < 0) return { socketPath: data.socket(box) };
    return { host: host(listen), port: listen.port + index };
  };
  return {
    listen: (box) => placeOf(box, ({ host }) => host),
    reach: (box) => placeOf(box, ({ host }) => everywhere[host] ?? host),
  };
}

/** Addresses that listen everywhere, and how they are reached on their own machine. */
const everywhere: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);

const isSelected = (plan: BoxPlan, selection: Selection): boolean =>
  selects(selection, plan.kind, plan.kind === "worker" ? plan.worker : undefined);

function checkWorkerNames(system: SystemDefinition, config: Config, selection: Selection): void {
  const known = system.workers.map(({ name }) => name);
  for (const [variable, named] of [
    ["MILLRACE_WORKERS", config.workers],
    ["MILLRACE_WORKER_URLS", config.workerUrls],
  ] as const) {
    const unknown = [...named.keys()].find((name) => !known.includes(name));
    if (unknown === undefined) continue;
    throw new MillraceError(
      "MR_CONFIG_INVALID",
      `${variable} names ${unknown}, which ${system.name} does not have.${didYouMean(unknown, known)}`,
      { remedy: `Its workers: ${known.join(", ")}.` },
    );
  }
  for (const { worker } of selection === "all" ? [] : selection) {
    if (worker === undefined || known.includes(worker)) continue;
    throw new MillraceError(
      "MR_USAGE",
      `${system.name} has no worker ${worker}.${didYouMean(worker, known)}`,
      { remedy: `Its workers: ${known.join(", ")}.` },
    );
  }
}

/**
 * The boxes as the locks of a data folder tell them apart: all gateways are one, each worker is
 * one.
 */
export const lockNames = (plans: readonly BoxPlan[]): readonly string[] => [
  ...new Set(plans.map((plan) => (plan.kind === "worker" ? `worker-${plan.worker}` : plan.kind))),
];
