import { forwardedHeaders } from "../../balancer/forward-headers.ts";
import { haproxyConfig } from "../../engines/haproxy/config.ts";
import type { Address } from "../../lib/address.ts";
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

/** How long it takes to stop at most: what runs, the relay of the outbox, the leases. */
export const graceSeconds = ({ config }: DeployedSystem): number =>
  Math.ceil(config.drainMs / 1_000) + 20;

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

/** Three servers, each of which has a write on its disk before it acknowledges. */
export const natsConfig = (servers: readonly string[]): string =>
  [
    "# Without `always` what was acknowledged may be lost with the power of all three.",
    "server_name: $SERVER_NAME",
    "port: 4222",
    "http_port: 8222",
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

/** Nothing of the build is in what runs, and nothing runs as root. */
export const dockerfile = (app: string): string =>
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
    "RUN mkdir /data && chown node:node /data",
    "USER node",
    "VOLUME /data",
    // PID 1 is Millrace itself, so that it hears SIGTERM.
    `ENTRYPOINT ["node", "node_modules/millrace/bin/millrace.mjs", "start", ${JSON.stringify(app)}]`,
    "",
  ].join("\n");

export const dockerignore = "node_modules\n.git\n.millrace\n.env\ndeploy\n";

export const redisCommand = [
  "redis-server",
  ...["--save", "", "--appendonly", "no"],
  ...["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"],
];
