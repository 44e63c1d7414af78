/**
 * The reference example on five hosts: the balancer and the admin port on `a`, a gateway each on
 * `b` and `c`, an instance of each worker on `d` and `e`; queue and databases on a PostgreSQL
 * server beside them. One environment serves all hosts, but for their names and their data folders;
 * what each host runs is said where it is started.
 */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { vi } from "vitest";
import { type Host, type HostNetwork, hostNetwork } from "../support/hosts.ts";
import { PostgresServer } from "../support/postgres-server.ts";

const root = resolve(import.meta.dirname, "../..");
const millrace = join(root, "bin/millrace.mjs");
export const app = join(root, "examples/social/app.ts");

/** What each host runs. */
const parts = {
  a: "balancer,admin",
  b: "gateway",
  c: "gateway",
  d: "worker",
  e: "worker",
} as const;

export type HostName = keyof typeof parts;

const secret = "0123456789abcdef0123456789abcdef";
export const waitOptions = { timeout: 60_000, interval: 50 };

export class Cluster implements AsyncDisposable {
  readonly #network: HostNetwork;
  readonly #folder = mkdtempSync(join(tmpdir(), "mr-hosts-"));
  readonly #running = new Map<HostName, ChildProcess>();
  #server: PostgresServer | undefined;
  #engines = "";
  #output = "";
  #key = "";

  constructor() {
    this.#network = hostNetwork(Object.keys(parts));
  }

  /** Where the balancer is. */
  get url(): string {
    return `http://${this.host("a").address}:8080`;
  }

  /** What every host has written. */
  get output(): string {
    return this.#output;
  }

  /** The file of the spans that host `a` keeps. */
  get traces(): string {
    return join(this.data("a"), "traces.db");
  }

  host(name: HostName): Host {
    const host = this.#network.hosts.get(name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  async start(): Promise<void> {
    await this.#prepare();
    for (const name of Object.keys(parts) as HostName[]) this.startHost(name);
    await vi.waitFor(async () => {
      const answers = [
        this.get("/timelines/home?user=ada"),
        this.get("/notifications/list?user=ada"),
      ];
      for (const answer of await Promise.all(answers)) {
        if (answer.status !== 200) throw new Error(`not ready yet:\n${this.#output}`);
      }
    }, waitOptions);
  }

  startHost(name: HostName): void {
    const child = this.spawn(name, ["start", app, "--only", parts[name]]);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk) => {
        this.#output += `${name}: ${chunk}`;
      });
    }
    this.#running.set(name, child);
  }

  /** Runs a command on a host. */
  spawn(name: HostName, args: readonly string[], changes: NodeJS.ProcessEnv = {}): ChildProcess {
    return this.host(name).spawn(process.execPath, [millrace, ...args], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...this.#environment(name), ...changes },
    });
  }

  /** Stops a host in order; resolves to its exit status. */
  async stopHost(name: HostName): Promise<number | null> {
    const child = this.#running.get(name);
    const isOver = child === undefined || child.exitCode !== null || child.signalCode !== null;
    if (isOver) return child?.exitCode ?? null;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const [status] = await ended;
    return status;
  }

  /** An API key that may publish and read. */
  get authorization(): { readonly authorization: string } {
    return { authorization: `Bearer ${this.#key}` };
  }

  get(path: string): Promise<Response> {
    return fetch(`${this.url}${path}`, { headers: this.authorization });
  }

  /** Publishes a post; resolves once every worker has applied it. */
  async post(author: string, text: string): Promise<{ readonly id: string }> {
    const answer = await fetch(`${this.url}/events/post.published`, {
      method: "POST",
      headers: { ...this.authorization, "content-type": "application/json", prefer: "wait=20" },
      body: JSON.stringify({ author, text }),
    });
    const body = await answer.text();
    if (answer.status !== 200) throw new Error(`${answer.status}: ${body}`);
    return JSON.parse(body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all((Object.keys(parts) as HostName[]).map((name) => this.stopHost(name)));
    await this.#server?.[Symbol.asyncDispose]();
    this.#network[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The data folder of a host. */
  data(name: string): string {
    return join(this.#folder, name);
  }

  /** The server that all hosts share, and a key. */
  async #prepare(): Promise<void> {
    const { address } = this.#network;
    // It lets in who comes from the hosts' own network, and listens nowhere else.
    const hba = this.data("hba.conf");
    writeFileSync(hba, `host all all 127.0.0.1/32 trust\nhost all all ${address}/24 trust\n`);
    chmodSync(this.#folder, 0o755);
    this.#server = await PostgresServer.start({
      settings: { listen_addresses: `127.0.0.1,${address}`, hba_file: hba },
    });
    this.#engines = (await this.#server.createDatabase()).replace("127.0.0.1", address);
    const env = {
      ...process.env,
      MILLRACE_DATA: this.data("keys"),
      MILLRACE_KEYS_FILE: this.data("keys.json"),
    };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [millrace, "keys", "create", "test", "--json"],
      { env },
    );
    this.#key = JSON.parse(stdout).key;
  }

  #environment(name: HostName): NodeJS.ProcessEnv {
    const at = (host: HostName, port: number) => `http://${this.host(host).address}:${port}`;
    const workers = ["d", "e"] as const;
    return {
      MILLRACE_HOST: "0.0.0.0",
      MILLRACE_LISTEN: "0.0.0.0:8081",
      MILLRACE_GATEWAYS: "1",
      MILLRACE_GATEWAY_URLS: [at("b", 8081), at("c", 8081)].join(","),
      MILLRACE_WORKER_URLS: workers
        .flatMap((host) => [`timelines=${at(host, 8081)}`, `notifications=${at(host, 8082)}`])
        .join(","),
      MILLRACE_QUEUE: this.#engines,
      MILLRACE_DATABASE: this.#engines,
      MILLRACE_TRACES: at("a", 8081),
      MILLRACE_TRACES_PER_SECOND: "1000",
      MILLRACE_CLUSTER_SECRET: secret,
      MILLRACE_AUTH: "keys",
      MILLRACE_KEYS_FILE: this.data("keys.json"),
      MILLRACE_HOST_NAME: name,
      // A busy machine starts all of these at once.
      MILLRACE_HANG_MS: "60000",
      MILLRACE_DATA: this.data(name),
    };
  }
}
