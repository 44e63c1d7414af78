/**
 * The hosts of a guide: network namespaces on which its blocks run as a reader would run them, each
 * in a folder of its own with the project in it, under the names and addresses that it uses.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { type Host, type HostNetwork, hostNetwork } from "../support/hosts.ts";
import { PostgresServer } from "../support/postgres-server.ts";
import { repository } from "../support/project-folder.ts";

const wait = { timeout: 60_000, interval: 100 };

/** What a program writes once it serves. */
const readyWords: Readonly<Record<string, RegExp>> = {
  millrace: /^millrace \d/m,
  nats: /Server is ready/,
  redis: /Ready to accept connections/,
};

/** A program that goes on running, with all that it has started. */
interface Served {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
}

export class GuideHosts implements AsyncDisposable {
  readonly #network: HostNetwork;
  readonly #folder: string;
  readonly #database: PostgresServer;
  /** `millrace on one` → what runs there. */
  readonly #served = new Map<string, Served>();

  static async open(names: readonly string[]): Promise<GuideHosts> {
    const network = hostNetwork(names);
    const folder = await mkdtemp(join(tmpdir(), "mr-guide-"));
    const { address } = network;
    const letIn = join(folder, "hba.conf");
    const rules = ["127.0.0.1/32", `${address}/24`].map((from) => `host all all ${from} trust\n`);
    await writeFile(letIn, rules.join(""));
    await chmod(folder, 0o755);
    const database = await PostgresServer.start({
      settings: {
        listen_addresses: `127.0.0.1,${address}`,
        hba_file: letIn,
        max_connections: "300",
      },
    });
    const hosts = new GuideHosts(network, folder, database);
    for (const name of names) await hosts.#furnish(name);
    return hosts;
  }

  private constructor(network: HostNetwork, folder: string, database: PostgresServer) {
    this.#network = network;
    this.#folder = folder;
    this.#database = database;
  }

  /** Adds the guide's lines to every host's /etc/hosts. */
  know(lines: string): void {
    this.#network.know(this.#adapted(lines));
  }

  /** Settings are written where the reader is, and copied from there; all else everywhere. */
  async write(name: string, text: string): Promise<void> {
    const hosts = [...this.#network.hosts.keys()];
    for (const host of name.endsWith(".env") ? hosts.slice(0, 1) : hosts) {
      await writeFile(join(this.#folderOf(host), name), this.#adapted(text));
    }
  }

  /** Brings files of the first host to all others. */
  async copy(names: readonly string[]): Promise<void> {
    const [from = "", ...others] = this.#network.hosts.keys();
    for (const name of names) {
      for (const host of others) {
        await copyFile(join(this.#folderOf(from), name), join(this.#folderOf(host), name));
      }
    }
  }

  /** Runs commands to their end. Resolves to what they wrote; rejects where they fail. */
  async run(host: string, text: string): Promise<string> {
    const child = this.#spawn(host, text);
    const written = collect(child);
    const [status] = await once(child, "close");
    if (status === 0) return written().output;
    throw new Error(`on ${host} this ended with ${status}:\n${text}\n${written().all}`);
  }

  /** Starts a program in place of the one of that name that runs there; resolves once it serves. */
  async serve(host: string, name: string, text: string): Promise<void> {
    await this.stop(host, name);
    const child = this.#spawn(host, text);
    const written = collect(child);
    this.#served.set(`${name} on ${host}`, { child, ended: once(child, "close") });
    await vi.waitFor(() => {
      if (child.exitCode !== null) throw new Error(`${name} ended on ${host}:\n${written().all}`);
      if (readyWords[name]?.test(written().all) !== false) return;
      throw new Error(`${name} does not serve on ${host} yet:\n${written().all}`);
    }, wait);
  }

  /** As a service manager does: SIGTERM to all of its processes. */
  async stop(host: string, name: string, how: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const served = this.#served.get(`${name} on ${host}`);
    if (served?.child.pid === undefined) return;
    this.#served.delete(`${name} on ${host}`);
    try {
      process.kill(-served.child.pid, how);
    } catch {
      // It has ended by itself.
    }
    await served.ended;
  }

  /** What the guide's `localhost` and port on a host are, seen from here. */
  url(host: string, port: number): string {
    return `http://${this.#host(host).address}:${port}`;
  }

  /** Asks the guide's database. */
  async query<Row>(sql: string): Promise<Row[]> {
    return await this.#database.query<Row>(sql, this.#database.url.replace(/[^/]*$/, "social"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of ["millrace", "haproxy", "redis", "nats"]) {
      const hosts = [...this.#network.hosts.keys()];
      await Promise.all(hosts.map((host) => this.stop(host, name, "SIGKILL")));
    }
    await this.#database[Symbol.asyncDispose]();
    this.#network[Symbol.dispose]();
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #host(name: string): Host {
    const host = this.#network.hosts.get(name);
    if (host === undefined) throw new Error(`the guide has no host ${name}`);
    return host;
  }

  #folderOf(host: string): string {
    return join(this.#folder, host);
  }

  /** The project as `npm install` leaves it. */
  async #furnish(host: string): Promise<void> {
    const folder = this.#folderOf(host);
    await mkdir(folder);
    await symlink(join(repository, "examples"), join(folder, "examples"));
    const start = "millrace start examples/social/app.ts";
    await writeFile(
      join(folder, "package.json"),
      JSON.stringify({ type: "module", private: true, scripts: { start } }),
    );
    const bin = join(folder, "node_modules/.bin");
    await mkdir(bin, { recursive: true });
    await symlink(join(repository, "bin/millrace.mjs"), join(bin, "millrace"));
  }

  #spawn(host: string, text: string): ChildProcess {
    const settings = Object.entries(process.env).filter(([name]) => !name.startsWith("MILLRACE_"));
    const folder = this.#folderOf(host);
    const programs = [
      join(folder, "node_modules/.bin"),
      join(repository, "node_modules/.bin"),
      join(repository, ".servers/nats/usr/sbin"),
      process.env.PATH,
      "/usr/sbin",
    ];
    const script = `set -euo pipefail\n${this.#adapted(text)}`;
    return this.#host(host).spawn("bash", ["-c", script], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that all of it can be told to stop.
      detached: true,
      env: { ...Object.fromEntries(settings), PATH: programs.join(":"), NO_COLOR: "1" },
    });
  }

  /** The guide's addresses are those of this network; its database has a port of its own here. */
  #adapted(text: string): string {
    const hosts = [...this.#network.hosts.values()];
    return text
      .replaceAll(
        /\b10\.0\.0\.(\d+)\b/g,
        (_, number) => hosts[Number(number) - 1]?.address ?? this.#network.address,
      )
      .replaceAll("@db/", `@db:${this.#database.port}/`);
  }
}

function collect(child: ChildProcess): () => { readonly output: string; readonly all: string } {
  let [output, all] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    all += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    all += text;
  });
  return () => ({ output, all });
}
