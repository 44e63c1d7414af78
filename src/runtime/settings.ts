import { limits } from "../lib/limits.ts";

/** What a user may set, as people see it. How a value is read stands in config.ts. */
export interface Setting {
  /** The environment variable. */
  readonly variable: string;
  /** The flag of the commands that take it, as commander writes it; absent: variable only. */
  readonly flag?: string;
  /** The default, as it would be written in the variable. Empty: nothing. */
  readonly fallback: string;
  /** One line for the help and the table of the docs. */
  readonly says: string;
  /** Never shown. */
  readonly secret?: true;
}

/**
 * Every setting, once: environment variables, flags, help and docs/configuration.md come from here.
 * This file is read for `--help`, so it imports nothing that is slow to load.
 */
export const settings = {
  port: {
    variable: "MILLRACE_PORT",
    flag: "--port <number>",
    fallback: "8080",
    says: "Port of the API (the load balancer). 0 takes any free one.",
  },
  host: {
    variable: "MILLRACE_HOST",
    flag: "--host <address>",
    fallback: "127.0.0.1",
    says: "Address to listen on. Beyond this machine it takes MILLRACE_AUTH.",
  },
  adminPort: {
    variable: "MILLRACE_DASHBOARD_PORT",
    flag: "--admin-port <number>",
    fallback: "8090",
    says: "Port of the admin API. 0 takes any free one, off turns it off.",
  },
  adminHost: {
    variable: "MILLRACE_DASHBOARD_HOST",
    flag: "--admin-host <address>",
    fallback: "127.0.0.1",
    says: "Address that the admin API listens on. Beyond this machine it takes MILLRACE_AUTH.",
  },
  data: {
    variable: "MILLRACE_DATA",
    flag: "--data <folder>",
    fallback: ".millrace",
    says: "Folder of the embedded queue, the workers' databases and the traces.",
  },
  gateways: {
    variable: "MILLRACE_GATEWAYS",
    flag: "--gateways <number>",
    fallback: "2",
    says: "How many gateway processes to run.",
  },
  workers: {
    variable: "MILLRACE_WORKERS",
    flag: "--workers <name=number,...>",
    fallback: "",
    says: "How many processes each worker gets, such as timelines=2; one where not named.",
  },
  queue: {
    variable: "MILLRACE_QUEUE",
    fallback: "sqlite:",
    says: "The message queue's engine: sqlite: (in the data folder), nats://… (JetStream), postgres://…, or memory: under dev.",
  },
  unsafeEngines: {
    variable: "MILLRACE_UNSAFE_ENGINES",
    fallback: "refuse",
    says: "What to do with engines that cannot keep the promises, such as one replica or no sync: refuse or accept.",
  },
  database: {
    variable: "MILLRACE_DATABASE",
    fallback: "sqlite:",
    says: "The workers' databases: sqlite: (in the data folder), postgres://…, or memory: under dev.",
  },
  cache: {
    variable: "MILLRACE_CACHE",
    fallback: "memory:",
    says: "The workers' caches: memory: (one in each process), redis://…, rediss://… or redis+unix://….",
  },
  lanes: {
    variable: "MILLRACE_LANES",
    fallback: String(limits.lanes),
    says: "How many batches each worker process handles at a time; with databases in files it is one.",
  },
  partitions: {
    variable: "MILLRACE_PARTITIONS",
    fallback: String(limits.partitions),
    says: "Partitions of a new queue. Fixed once the queue exists.",
  },
  auth: {
    variable: "MILLRACE_AUTH",
    flag: "--auth <ways>",
    fallback: "open",
    says: "Who may call the API and the admin API: open (this machine only), or keys, jwt, or keys,jwt.",
  },
  keysFile: {
    variable: "MILLRACE_KEYS_FILE",
    fallback: "",
    says: "File of the API keys, for several hosts to have the same; else keys.json in the data folder.",
  },
  jwtIssuer: {
    variable: "MILLRACE_JWT_ISSUER",
    fallback: "",
    says: "The `iss` that tokens must carry.",
  },
  jwtAudience: {
    variable: "MILLRACE_JWT_AUDIENCE",
    fallback: "",
    says: "The `aud` that tokens must carry.",
  },
  jwtKeys: {
    variable: "MILLRACE_JWT_KEYS",
    fallback: "",
    says: "The issuer's public keys: the URL of a JWKS document, or a file with one key.",
  },
  jwtAlgorithms: {
    variable: "MILLRACE_JWT_ALGORITHMS",
    fallback: "ES256,RS256",
    says: "Signature algorithms that are accepted: ES256, RS256, PS256, ES384 or EdDSA.",
  },
  ratePerMinute: {
    variable: "MILLRACE_RATE_PER_MINUTE",
    fallback: "0",
    says: "Requests that one client may make in a minute; 0 sets no limit.",
  },
  retentionHours: {
    variable: "MILLRACE_RETENTION_HOURS",
    fallback: String(limits.retentionMs / 3_600_000),
    says: "How long events stay in the queue after every worker has handled them.",
  },
  retentionBytes: {
    variable: "MILLRACE_RETENTION_BYTES",
    fallback: String(limits.retentionBytesMax),
    says: "How much the queue keeps at most of what every worker has handled.",
  },
  balance: {
    variable: "MILLRACE_BALANCE",
    fallback: "least-busy",
    says: "How requests are spread over the gateways: least-busy or round-robin.",
  },
  connectionsPerAddress: {
    variable: "MILLRACE_CONNECTIONS_PER_ADDRESS",
    fallback: String(limits.connectionsPerAddressMax),
    says: "Connections from one address at most; a proxy in front is one address for everybody.",
  },
  publicUrl: {
    variable: "MILLRACE_PUBLIC_URL",
    fallback: "",
    says: "Under which address clients reach the API. The types of problems are absolute with it, and its host is answered.",
  },
  idempotencyKey: {
    variable: "MILLRACE_IDEMPOTENCY_KEY",
    fallback: "optional",
    says: "Whether requests that publish must carry an Idempotency-Key: optional or required.",
  },
  listen: {
    variable: "MILLRACE_LISTEN",
    fallback: "",
    says: "Where other hosts reach the gateways, workers and traces of this one, such as 0.0.0.0:8081; ports count up from it. Else sockets in the data folder.",
  },
  gatewayUrls: {
    variable: "MILLRACE_GATEWAY_URLS",
    fallback: "",
    says: "Where the balancer finds the gateways: http://10.0.0.2:8081,http://10.0.0.3:8081. Else those of this host.",
  },
  workerUrls: {
    variable: "MILLRACE_WORKER_URLS",
    fallback: "",
    says: "Where gateways find the workers' instances: timelines=http://10.0.0.4:8081,timelines=http://10.0.0.5:8081,…. A worker not named is looked for on this host.",
  },
  traces: {
    variable: "MILLRACE_TRACES",
    fallback: "sqlite:",
    says: "Where spans are kept: sqlite: (in the data folder), or the address at which the admin port's host keeps them for all, http://10.0.0.6:8081.",
  },
  clusterSecret: {
    variable: "MILLRACE_CLUSTER_SECRET",
    fallback: "",
    secret: true,
    says: "What hosts show each other, the same on all: at least 32 characters.",
  },
  trustedProxies: {
    variable: "MILLRACE_TRUSTED_PROXIES",
    fallback: "",
    says: "Proxies in front of gateways whose X-Forwarded-For is believed, such as 10.0.0.9,10.0.1.0/24.",
  },
  hostName: {
    variable: "MILLRACE_HOST_NAME",
    fallback: "",
    says: "This host's name in the names of instances and in traces, unlike any other's; the machine's own where the workers' databases are shared.",
  },
  drainMs: {
    variable: "MILLRACE_DRAIN_MS",
    fallback: String(limits.drainMs),
    says: "How long a process may take to finish what it has begun when it must stop.",
  },
  hangMs: {
    variable: "MILLRACE_HANG_MS",
    fallback: String(limits.aliveTimeoutMs),
    says: "How long a process may not react before it is killed and begun again.",
  },
  logLevel: {
    variable: "MILLRACE_LOG_LEVEL",
    flag: "--log-level <level>",
    fallback: "info",
    says: "The least of what is logged: debug, info, warn, error or silent.",
  },
  logFormat: {
    variable: "MILLRACE_LOG_FORMAT",
    flag: "--log-format <format>",
    fallback: "auto",
    says: "json, pretty, or auto: pretty on a terminal, JSON elsewhere.",
  },
  tracing: {
    variable: "MILLRACE_TRACING",
    fallback: "on",
    says: "Whether requests are traced: on or off.",
  },
  tracesPerSecond: {
    variable: "MILLRACE_TRACES_PER_SECOND",
    fallback: String(limits.tracesPerSecondMax),
    says: "How many new traces each process begins in a second at most.",
  },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

export const settingNames = Object.keys(settings) as readonly SettingName[];

/** Variables of single commands, which the system itself does not read but must not refuse. */
export const commandVariables = {
  MILLRACE_URL: {
    fallback: "http://127.0.0.1:<MILLRACE_PORT>",
    says: "Where the commands that talk to a running system find it.",
  },
  MILLRACE_KEY: {
    fallback: "",
    says: "The API key that these commands show. Never printed.",
  },
} as const;
