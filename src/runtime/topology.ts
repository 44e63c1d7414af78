import type { Address } from "../lib/address.ts";
import { MillraceError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { Config } from "./config.ts";
import type { DataFolder } from "./data-folder.ts";

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
  /** From 1. */
  readonly instance: number;
  readonly listen: Address;
}

export interface AdminPlan {
  readonly kind: "admin";
  readonly name: "admin";
  readonly title: string;
  readonly listen: Address;
}

/** Which boxes to run here: all, all of a kind, or the instances of one worker. */
export type Selection =
  | { readonly kind: "all" | "balancer" | "gateway" | "admin" }
  | { readonly kind: "worker"; readonly worker: string };

/**
 * Reads `--only`: `gateway`, `balancer`, `admin` or `worker:timelines`.
 *
 * @throws MR_USAGE
 */
export function parseSelection(text: string | undefined): Selection {
  if (text === undefined) return { kind: "all" };
  if (text === "gateway" || text === "balancer" || text === "admin") return { kind: text };
  const worker = /^worker:(.+)$/.exec(text)?.[1];
  if (worker !== undefined) return { kind: "worker", worker };
  throw new MillraceError("MR_USAGE", `--only is ${JSON.stringify(text)}.`, {
    remedy: "It takes gateway, balancer, admin, or worker:NAME.",
  });
}

/**
 * Which processes make up the system, and which of them are to run here. The addresses follow from
 * the data folder alone, so that boxes started apart find each other.
 *
 * @throws MR_CONFIG_INVALID, MR_USAGE where a worker is named that the application does not have
 */
export function planTopology(
  system: SystemDefinition,
  config: Config,
  data: DataFolder,
  selection: Selection = { kind: "all" },
): readonly BoxPlan[] {
  checkWorkerNames(system, config, selection);
  const workers = system.workers.map(({ name }) => ({
    name,
    boxes: numbered(`worker-${name}`, config.workers.get(name) ?? 1),
  }));
  const gateways = numbered("gateway", config.gateways).map((name) => ({
    name,
    address: { socketPath: data.socket(name) },
  }));

  const balancer: BalancerPlan = {
    kind: "balancer",
    name: "balancer",
    title: "balancer",
    listen: { host: config.host, port: config.port },
    gateways,
    publishPaths: system.webhooks.map(({ path }) => path),
  };
  const reached = workers.map(({ name, boxes }) => ({
    name,
    addresses: boxes.map((box) => ({ socketPath: data.socket(box) })),
  }));
  const gatewayPlans = gateways.map(
    ({ name, address }, index): GatewayPlan => ({
      kind: "gateway",
      name,
      title: `gateway ${index + 1}`,
      listen: address,
      workers: reached,
    }),
  );
  const workerPlans = workers.flatMap(({ name: worker, boxes }) =>
    boxes.map(
      (name, index): WorkerPlan => ({
        kind: "worker",
        name,
        title: `worker ${worker} ${index + 1}`,
        worker,
        instance: index + 1,
        listen: { socketPath: data.socket(name) },
      }),
    ),
  );
  const plans = [balancer, ...gatewayPlans, ...workerPlans, ...adminPlans(config, selection)];
  return plans.filter((plan) => isSelected(plan, selection));
}

/** None where it is turned off. */
function adminPlans({ adminHost: host, adminPort: port }: Config, selection: Selection) {
  const plan = { kind: "admin", name: "admin", title: "admin" } as const;
  if (port !== "off") return [{ ...plan, listen: { host, port } }];
  if (selection.kind !== "admin") return [];
  throw new MillraceError("MR_USAGE", "--only is admin, which MILLRACE_DASHBOARD_PORT turns off.");
}

const numbered = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${name}-${index + 1}`);

function isSelected(plan: BoxPlan, selection: Selection): boolean {
  if (selection.kind === "all") return true;
  if (selection.kind !== plan.kind) return false;
  return plan.kind !== "worker" || ("worker" in selection && selection.worker === plan.worker);
}

function checkWorkerNames(system: SystemDefinition, config: Config, selection: Selection): void {
  const known = system.workers.map(({ name }) => name);
  const unknown = [...config.workers.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new MillraceError(
      "MR_CONFIG_INVALID",
      `MILLRACE_WORKERS names ${unknown}, which ${system.name} does not have.${didYouMean(unknown, known)}`,
      { remedy: `Its workers: ${known.join(", ")}.` },
    );
  }
  if (selection.kind === "worker" && !known.includes(selection.worker)) {
    throw new MillraceError(
      "MR_USAGE",
      `${system.name} has no worker ${selection.worker}.${didYouMean(selection.worker, known)}`,
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
