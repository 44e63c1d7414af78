import { forwardedHeaders } from "../../balancer/forward-headers.ts";
import { haproxyConfig } from "../../engines/haproxy/config.ts";
import type { Address } from "../../lib/address.ts";
import { limits } from "../../lib/limits.ts";
import type { SystemDefinition } from "../../system/system.ts";
import type { Config } from "../config.ts";

/** What is written into a folder, by the files' names. */
export type Files = Readonly<Record<string, string>>;

/** A system as it is to be deployed. */
export interface DeployedSystem {
  readonly name: string;
  /** The application's file, relative to where the image is built. */
  readonly app: string;
  readonly config: Config;
  readonly workers: readonly { readonly name: string; readonly instances: number }[];
  readonly webhookPaths: readonly string[];
}

export const deployedSystem = (
  { name, workers, webhooks }: SystemDefinition,
  app: string,
  config: Config,
): DeployedSystem => ({
  name,
  app,
  config,
  workers: workers.map((worker) => ({
    name: worker.name,
    instances: config.workers.get(worker.name) ?? 1,
  })),
  webhookPaths: webhooks.map(({ path }) => path),
});

/** Boxes listen here for other hosts, each on a host of its own. */
export const innerPort = 8_081;
export const apiPort = 8_080;
export const adminPort = 8_090;

/** Where the API keys are: beside the data folder, since each box has a data folder of its own. */
export const keysFolder = "/keys";

/** How long it takes to stop at most: what runs, the relay of the outbox, the leases. */
export const graceSeconds = ({ config }: DeployedSystem): number =>
  Math.ceil(config.drainMs / 1_000) + 20;

/** How long HAProxy takes at most to finish what runs: then it stops by itself. */
export const haproxyGraceSeconds = ({ config }: DeployedSystem): number =>
  Math.ceil((config.drainMs + limits.gatewayAnswerMs) / 1_000) + 5;

/** What the boxes are told, wherever they run. */
export interface Surroundings {
  /** The NATS servers. */
  readonly nats: readonly string[];
  /** How a secret is written in a value that holds it: `NATS_PASSWORD`. */
  readonly secret: (name: string) => string;
  /** Where the instances of the workers are: `timelines=http://worker-timelines:8081`. */
  readonly workers: readonly string[];
  /** Whose word about clients is believed. */
  readonly proxies: string;
}

/** The variables of a box, but for the cluster's secret. */
export function boxEnvironment(
  { config }: DeployedSystem,
  { nats, secret, workers, proxies }: Surroundings,
  isAdmin: boolean,
): Readonly<Record<string, string>> {
  const servers = nats.map((host) => `${host}:4222`).join(",");
  return {
    // Whether the servers sync is told by their monitoring alone, and asked at each start.
    MILLRACE_QUEUE: `nats://millrace:${secret("NATS_PASSWORD")}@${servers}?monitor=${natsMonitorPort}`,
    MILLRACE_DATABASE: `postgres://millrace:${secret("POSTGRES_PASSWORD")}@postgres:5432/millrace`,
    MILLRACE_CACHE: "redis://redis:6379",
    MILLRACE_AUTH: "keys",
    MILLRACE_KEYS_FILE: `${keysFolder}/keys.json`,
    MILLRACE_LISTEN: `0.0.0.0:${innerPort}`,
    MILLRACE_GATEWAYS: "1",
    MILLRACE_WORKER_URLS: workers.join(","),
    MILLRACE_TRUSTED_PROXIES: proxies,
    MILLRACE_DRAIN_MS: String(config.drainMs),
    ...(isAdmin
      ? { MILLRACE_DASHBOARD_HOST: "0.0.0.0" }
      : { MILLRACE_TRACES: `http://admin:${innerPort}` }),
  };
}

export const haproxyFor = (
  { name, config, webhookPaths }: DeployedSystem,
  listen: { readonly host: string; readonly port: number },
  gateways: readonly { readonly name: string; readonly address: Address }[],
): string =>
  haproxyConfig({
    system: name,
    listen,
    gateways,
    webhookPaths,
    forwardedHeaders,
    balance: config.balance,
    connectionsPerAddress: config.connectionsPerAddress,
    drainMs: config.drainMs,
  });

const natsMonitorPort = 8_222;

/** Three servers, each of which has a write on its disk before it acknowledges. */
export const natsConfig = (servers: readonly string[]): string =>
  [
    "# Without `always` what was acknowledged may be lost with the power of all three.",
    "server_name: $SERVER_NAME",
    "port: 4222",
    `http_port: ${natsMonitorPort}`,
    "# The largest events that Millrace takes, with what goes around them.",
    "max_payload: 2MB",
    "jetstream {",
    "  store_dir: /data",
    "  sync_interval: always",
    "}",
    "authorization { user: millrace, password: $NATS_PASSWORD }",
    "cluster {",
    "  name: millrace",
    "  port: 6222",
    `  routes: [${servers.map((server) => `"nats-route://${server}:6222"`).join(", ")}]`,
    "}",
    "",
  ].join("\n");

/** What the image is built of. */
export const buildFiles = ({ app }: DeployedSystem): Files => ({
  Dockerfile: dockerfile(app),
  ".dockerignore": "node_modules\n.git\n.millrace\n.env\ndeploy\n",
});

/** Nothing of the build is in what runs, and nothing runs as root. */
const dockerfile = (app: string): string =>
  [
    "FROM node:24-slim AS build",
    "WORKDIR /app",
    "COPY package.json package-lock.json ./",
    "RUN npm ci --omit=dev --ignore-scripts",
    "COPY . .",
    "",
    "FROM node:24-slim",
    "WORKDIR /app",
    "ENV NODE_ENV=production MILLRACE_DATA=/data MILLRACE_LOG_FORMAT=json",
    "COPY --from=build --chown=node:node /app ./",
    // A volume that is new takes its owner from here.
    `RUN mkdir /data ${keysFolder} && chown node:node /data ${keysFolder}`,
    "USER node",
    "VOLUME /data",
    // PID 1 is Millrace itself, so that it hears SIGTERM.
    `ENTRYPOINT ["node", "node_modules/millrace/bin/millrace.mjs", "start", ${JSON.stringify(app)}]`,
    "",
  ].join("\n");

export const redisCommand = [
  "redis-server",
  ...["--save", "", "--appendonly", "no"],
  ...["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"],
];
