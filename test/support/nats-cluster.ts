/**
 * Real NATS servers for tests: one or three, with JetStream, each write synced before it is
 * acknowledged, on free ports of this machine and in a temporary folder that goes with them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { freePorts } from "./free-port.ts";

const installed = fileURLToPath(
  new URL("../../.servers/nats/usr/sbin/nats-server", import.meta.url),
);

/** The line that installs what is missing. */
const install = "sh scripts/servers/nats-server.sh";

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const program = [
  installed,
  ...(process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "nats-server")),
].find(isProgram);

/**
 * Why tests with NATS servers cannot run here; undefined where they can. Under CI a missing server
 * is a failure: a test that never runs proves nothing.
 */
export function natsMissing(): string | undefined {
  if (program !== undefined) return undefined;
  const reason = `no nats-server here; install it: ${install}`;
  if (process.env.CI === "true") throw new Error(reason);
  return reason;
}

export interface NatsServer {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly isRunning: boolean;
  /** The last of what it wrote. */
  readonly log: string;
  start(): Promise<void>;
  /** As an operator does: it hands its leaderships over first. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT: it stays there and answers nobody. */
  pause(): void;
  resume(): void;
}

export interface NatsClusterOptions {
  readonly servers: 1 | 3;
  /** Off only for tests of what is said about such servers. */
  readonly syncAlways?: boolean;
  /** Further lines for every server's configuration. */
  readonly settings?: string;
  /** Where each server listens, by its number; the machine's loopback unless given. */
  readonly hosts?: readonly string[];
  /** What a server is run through, such as `ip netns exec …`. */
  readonly wrap?: (at: number) => readonly string[];
}

/** Servers that belong together; they end, and their data go, with it. */
export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[];
  readonly #folder: string;

  static async start(options: NatsClusterOptions): Promise<NatsCluster> {
    const folder = await mkdtemp(join(tmpdir(), "millrace-nats-"));
    const servers = await planServers(folder, options);
    const cluster = new NatsCluster(folder, servers);
    await Promise.all(servers.map((server) => server.start()));
    await cluster.ready();
    return cluster;
  }

  private constructor(folder: string, servers: readonly NatsServer[]) {
    this.#folder = folder;
    this.servers = servers;
  }

  get hosts(): string[] {
    return this.servers.map((server) => `${hostOf(server)}:${server.port}`);
  }

  /** As MILLRACE_QUEUE takes it; `&monitor=` and the ports make it tell whether servers sync. */
  get url(): string {
    return `nats://${this.hosts.join(",")}?replicas=${this.servers.length}`;
  }

  get monitorPorts(): string {
    return this.servers.map(({ monitorPort }) => monitorPort).join(",");
  }

  async removeStream(stream: string): Promise<void> {
    const nc = await connect({ servers: this.hosts });
    await (await jetstreamManager(nc)).streams.delete(stream);
    await nc.close();
  }

  /**
   * The number of the server that leads a stream: it says so itself, and a majority says so, too.
   * One alone may not have heard of the last election. Undefined while none does.
   */
  async leaderOf(stream: string): Promise<number | undefined> {
    const details = await Promise.all(this.servers.map((server) => this.#detailAt(server, stream)));
    const leaders = details.map((detail) => detail?.cluster?.leader);
    const at = this.servers.findIndex(({ name }, at) => leaders[at] === name);
    const agreeing = leaders.filter((name) => name !== undefined && name === leaders[at]);
    return at >= 0 && agreeing.length > this.servers.length / 2 ? at : undefined;
  }

  /**
   * Whether every replica of a stream has all that its leader has: by the leader's word, which
   * knows what they have received, and by their own, which may still make up for what they missed.
   */
  async isCurrent(stream: string): Promise<boolean> {
    const leader = this.servers[(await this.leaderOf(stream)) ?? -1];
    if (leader === undefined) return false;
    const led = await this.#detailAt(leader, stream);
    const replicas = led?.cluster?.replicas ?? [];
    if (replicas.length < this.servers.length - 1 || !replicas.every(({ current }) => current)) {
      return false;
    }
    const own = await Promise.all(this.servers.map((server) => this.#detailAt(server, stream)));
    return own.every((one) => (one?.state?.last_seq ?? -1) >= (led?.state?.last_seq ?? 0));
  }

  async #detailAt(server: NatsServer, stream: string): Promise<StreamDetail | undefined> {
    if (!server.isRunning) return undefined;
    return detailOf(await monitor(server, "/jsz?streams=true"), stream);
  }

  /** Resolves once all servers are up, know each other and have a leader. */
  async ready(): Promise<void> {
    await until("the servers have a leader", async () => {
      const states = await Promise.all(this.servers.map((one) => monitor(one, "/jsz")));
      return states.every((state) => hasLeader(state, this.servers.length));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server.kill()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const hostOf = (server: NatsServer): string => (server as Server).host;

async function planServers(folder: string, options: NatsClusterOptions): Promise<NatsServer[]> {
  const ports = await freePorts(3 * options.servers);
  const places = Array.from({ length: options.servers }, (_, at) => {
    const [route = 0, port = 0, monitorPort = 0] = ports.slice(3 * at);
    return { host: options.hosts?.[at] ?? "127.0.0.1", route, port, monitorPort };
  });
  const routes = places.map(({ host, route }) => `nats://${host}:${route}`);
  return Promise.all(
    places.map(async ({ host, route, port, monitorPort }, at) => {
      const store = join(folder, `server-${at}`);
      await mkdir(store);
      const settings = [
        `server_name: server-${at}`,
        `listen: "${host}:${port}"`,
        `http: "${host}:${monitorPort}"`,
        `jetstream { store_dir: "${store}"${options.syncAlways === false ? "" : ", sync_interval: always"} }`,
        ...(options.servers === 1
          ? []
          : [
              `cluster { name: millrace, listen: "${host}:${route}", routes: [${routes
                .filter((_, other) => other !== at)
                .map((one) => `"${one}"`)
                .join(", ")}] }`,
            ]),
        options.settings ?? "",
      ];
      const config = join(folder, `server-${at}.conf`);
      await writeFile(config, settings.join("\n"));
      const command = [...(options.wrap?.(at) ?? []), program ?? "", "-c", config];
      return new Server({ name: `server-${at}`, host, port, monitorPort, command });
    }),
  );
}

interface Place {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly command: readonly string[];
}

class Server implements NatsServer {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly #command: readonly string[];
  #child: ChildProcess | undefined;
  #log = "";

  constructor({ name, host, port, monitorPort, command }: Place) {
    this.name = name;
    this.host = host;
    this.port = port;
    this.monitorPort = monitorPort;
    this.#command = command;
  }

  get log(): string {
    return this.#log;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  async start(): Promise<void> {
    const [file = "", ...args] = this.#command;
    const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#log = (this.#log + text).slice(-10_000);
    });
    child.once("exit", () => {
      if (this.#child === child) this.#child = undefined;
    });
    await until(`${this.name} answers`, async () => {
      if (this.#child !== child) throw new Error(`${this.name} ended:\n${this.#log}`);
      return (await monitor(this, "/varz")) !== undefined;
    });
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }
}

/** What a server's monitoring says; undefined where it does not answer. */
export async function monitor(server: NatsServer, path: string): Promise<unknown> {
  try {
    const address = `http://${hostOf(server)}:${server.monitorPort}${path}`;
    const answer = await fetch(address, { signal: AbortSignal.timeout(1_000) });
    return await answer.json();
  } catch {
    return undefined;
  }
}

interface StreamCluster {
  readonly leader?: string;
  readonly replicas?: readonly { readonly current: boolean }[];
}

interface StreamDetail {
  readonly name: string;
  readonly cluster?: StreamCluster;
  readonly state?: { readonly last_seq: number };
}

interface JetStreamState {
  readonly disabled?: boolean;
  readonly meta_cluster?: { readonly leader?: string; readonly cluster_size?: number };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly StreamDetail[];
  }[];
}

function hasLeader(state: unknown, servers: number): boolean {
  if (state === undefined) return false;
  const { disabled, meta_cluster: cluster } = state as JetStreamState;
  if (servers === 1) return disabled !== true;
  return (cluster?.leader ?? "") !== "" && cluster?.cluster_size === servers;
}

const detailOf = (state: unknown, stream: string): StreamDetail | undefined =>
  ((state as JetStreamState | undefined)?.account_details ?? [])
    .flatMap((account) => account.stream_detail ?? [])
    .find(({ name }) => name === stream);

/** Looks until it holds; tests that wait for nothing else end by their own time limit. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 45_000;
  while (performance.now() < endMs) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error(`waited in vain until ${what}`);
}
