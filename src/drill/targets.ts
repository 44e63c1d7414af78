/**
 * What a drill breaks, and how, in plain words: read by `--help`, the screen and the report, so it
 * imports nothing. What a fault does stands in faults/.
 */
export const drillTargets = {
  queue: {
    kill: "kill -9 of a gateway: the embedded queue's writer is a thread in it, and dies with it",
    stop: "SIGSTOP of a gateway, its writer included; SIGCONT after --hold",
    cut: "the write lock of the queue's file is held from outside: nobody can append to it",
  },
  worker: {
    kill: "kill -9 of an instance, wherever it is in its work",
    stop: "SIGSTOP of an instance, beyond its lease; SIGCONT after --hold",
    crash: "an instance ends inside a handler, its transaction open (own application only)",
  },
  gateway: {
    kill: "kill -9 of a gateway",
    stop: "SIGSTOP of a gateway; SIGCONT after --hold",
  },
  database: {
    lock: "the write lock of a worker's database is held from outside: it cannot commit",
  },
  cache: {
    drop: "kill -9 of all instances of a worker at once, and what their memory caches with them",
  },
  balancer: {
    kill: "kill -9 of the load balancer: there is one, so nobody is let in until it is back",
    stop: "SIGSTOP of the load balancer; SIGCONT after --hold",
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type Target = keyof typeof drillTargets;

export const targetNames = Object.keys(drillTargets) as readonly Target[];

/**
 * What is broken instead where an engine runs on servers: the drill starts servers of its own for
 * that. Whatever is no server there is broken as above.
 */
export const serverFaults = {
  nats: {
    target: "queue",
    says: "three NATS servers",
    faults: {
      kill: "kill -9 of the server that leads the stream; begun again after --hold",
      stop: "SIGSTOP of the server that leads the stream; SIGCONT after --hold",
      cut: "that server is cut off from the other two, its clients are not; mended after --hold",
    },
  },
  postgres: {
    target: "database",
    says: "a PostgreSQL server",
    faults: {
      kill: "kill -9 of all processes of the server; begun again after --hold",
      stop: "SIGSTOP of all processes of the server, in the middle of transactions; SIGCONT after --hold",
    },
  },
  "postgres-queue": {
    target: "queue",
    says: "a PostgreSQL server for the queue",
    faults: {
      kill: "kill -9 of all processes of the queue's server; begun again after --hold",
      stop: "SIGSTOP of all processes of the queue's server; SIGCONT after --hold",
      cut: "the queue's server is cut off from all its clients; mended after --hold",
    },
  },
  redis: {
    target: "cache",
    says: "a Redis server, which keeps nothing on its disk",
    faults: {
      kill: "kill -9 of the server, and all that it held is gone; begun again after --hold",
      stop: "SIGSTOP of the server; SIGCONT after --hold",
    },
  },
} as const satisfies Record<string, ServerFaults>;

interface ServerFaults {
  readonly target: Target;
  readonly says: string;
  readonly faults: Readonly<Record<string, string>>;
}

export type ServerEngine = keyof typeof serverFaults;

export const serverEngines = Object.keys(serverFaults) as readonly ServerEngine[];
