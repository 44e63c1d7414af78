import { type PlainObject, yamlText } from "../../lib/yaml-text.ts";
import {
  adminPort,
  apiPort,
  boxEnvironment,
  buildFiles,
  type DeployedSystem,
  type Files,
  graceSeconds,
  haproxyFor,
  haproxyGraceSeconds,
  innerPort,
  keysFolder,
  natsConfig,
  redisCommand,
} from "./picture.ts";

const servers = ["nats-1", "nats-2", "nats-3"];
/** HAProxy has one address, so that gateways can believe it. */
const proxyAddress = "172.30.0.2";

/** The whole picture on one machine's containers, for trying it out and for small systems. */
export function composeFiles(system: DeployedSystem): Files {
  return {
    ...buildFiles(system),
    "compose.yaml": header(system) + yamlText(project(system)),
    "haproxy.cfg": haproxyFor(
      system,
      { host: "0.0.0.0", port: apiPort },
      gatewayNames(system).map((name) => ({ name, address: { host: name, port: innerPort } })),
    ),
    "nats.conf": natsConfig(servers),
    ".env.example": environmentExample,
  };
}

const header = ({ name }: DeployedSystem): string =>
  [
    `# ${name}, written by: millrace deploy compose`,
    "# cp .env.example .env, give each secret a value, then: docker compose up --build",
    "# An API key, once it runs: docker compose exec admin node \\",
    "#   node_modules/millrace/bin/millrace.mjs keys create NAME",
    "",
  ].join("\n");

const environmentExample = [
  "# Long random texts: openssl rand -hex 32. This file is an example; .env stays out of git.",
  "POSTGRES_PASSWORD=",
  "NATS_PASSWORD=",
  "MILLRACE_CLUSTER_SECRET=",
  "",
].join("\n");

const gatewayNames = ({ config }: DeployedSystem): string[] =>
  Array.from({ length: config.gateways }, (_, at) => `gateway-${at + 1}`);

const workerHosts = ({ workers }: DeployedSystem) =>
  workers.flatMap(({ name, instances }) =>
    Array.from({ length: instances }, (_, at) => ({ name, host: `worker-${name}-${at + 1}` })),
  );

const secret = (name: string): string => `\${${name}:?set it in .env}`;

function project(system: DeployedSystem): PlainObject {
  return {
    name: system.name,
    services: {
      haproxy: haproxyService(system),
      ...Object.fromEntries(gatewayNames(system).map((name) => [name, box(system, "gateway")])),
      ...Object.fromEntries(
        workerHosts(system).map(({ name, host }) => [host, box(system, `worker:${name}`)]),
      ),
      admin: {
        ...box(system, "admin"),
        ports: [`127.0.0.1:${adminPort}:${adminPort}`],
        volumes: [`keys:${keysFolder}`, "traces:/data"],
      },
      ...Object.fromEntries(servers.map((name) => [name, natsService(name)])),
      postgres: postgresService,
      redis: {
        image: "redis:8.2",
        command: redisCommand,
        restart: "unless-stopped",
        networks: ["inside"],
        healthcheck: { test: ["CMD", "redis-cli", "ping"], interval: "2s" },
      },
    },
    networks: { inside: { ipam: { config: [{ subnet: "172.30.0.0/24" }] } } },
    volumes: Object.fromEntries(
      [...servers, "postgres", "keys", "traces"].map((name) => [name, {}]),
    ),
  };
}

const haproxyService = (system: DeployedSystem): PlainObject => ({
  image: "haproxy:3.2",
  restart: "unless-stopped",
  ports: [`${apiPort}:${apiPort}`],
  volumes: ["./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro"],
  networks: { inside: { ipv4_address: proxyAddress } },
  // It finishes what runs, which SIGTERM would cut off.
  stop_signal: "SIGUSR1",
  stop_grace_period: `${haproxyGraceSeconds(system)}s`,
  depends_on: gatewayNames(system),
});

function box(system: DeployedSystem, only: string): PlainObject {
  const workers = workerHosts(system).map(
    ({ name, host }) => `${name}=http://${host}:${innerPort}`,
  );
  const isAdmin = only === "admin";
  const probed = isAdmin ? adminPort : innerPort;
  return {
    image: `${system.name}:latest`,
    build: ".",
    command: ["--only", only],
    restart: "unless-stopped",
    networks: ["inside"],
    environment: {
      ...boxEnvironment(system, { nats: servers, secret, workers, proxies: proxyAddress }, isAdmin),
      MILLRACE_CLUSTER_SECRET: secret("MILLRACE_CLUSTER_SECRET"),
    },
    // The data folder is each container's own; the keys are everybody's.
    volumes: [`keys:${keysFolder}`],
    stop_grace_period: `${graceSeconds(system)}s`,
    healthcheck: {
      test: [
        "CMD",
        "node",
        "-e",
        `fetch("http://127.0.0.1:${probed}/readyz").then(({ok})=>process.exit(ok?0:1))`,
      ],
      interval: "5s",
      start_period: "30s",
    },
    depends_on: Object.fromEntries(
      [...servers, "postgres", "redis"].map((name) => [name, { condition: "service_healthy" }]),
    ),
  };
}

const natsService = (name: string): PlainObject => ({
  image: "nats:2.12-alpine",
  command: ["-c", "/etc/nats/nats.conf"],
  restart: "unless-stopped",
  environment: { SERVER_NAME: name, NATS_PASSWORD: secret("NATS_PASSWORD") },
  volumes: [`${name}:/data`, "./nats.conf:/etc/nats/nats.conf:ro"],
  networks: ["inside"],
  stop_grace_period: "30s",
  healthcheck: {
    test: ["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8222/healthz"],
    interval: "2s",
    start_period: "10s",
  },
});

const postgresService: PlainObject = {
  image: "postgres:17",
  restart: "unless-stopped",
  environment: {
    POSTGRES_USER: "millrace",
    POSTGRES_DB: "millrace",
    POSTGRES_PASSWORD: secret("POSTGRES_PASSWORD"),
  },
  volumes: ["postgres:/var/lib/postgresql/data"],
  networks: ["inside"],
  stop_grace_period: "60s",
  healthcheck: { test: ["CMD-SHELL", "pg_isready -U millrace"], interval: "2s" },
};
