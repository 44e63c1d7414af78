/**
 * A PostgreSQL server of the tests' own: in a temporary folder, on a free port, under an ordinary
 * user where the tests run as root. It can be killed, stopped, paused and started again.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { describe, vi } from "vitest";
import { freePort } from "./free-port.ts";

const run = promisify(execFile);

/** Where Debian keeps the programs of its versions; others have them among the commands. */
const debian = "/usr/lib/postgresql";

function programs(): string | undefined {
  const versions = existsSync(debian) ? readdirSync(debian).map(Number).filter(Boolean) : [];
  const newest = Math.max(0, ...versions);
  const folders = [join(debian, String(newest), "bin"), ...(process.env.PATH ?? "").split(":")];
  return folders.find((folder) => existsSync(join(folder, "initdb")));
}

const folder = programs();

/** Declares tests that need a server: skipped, with the line that installs it, but for in CI. */
export function describePostgres(name: string, body: () => void): void {
  if (folder !== undefined || process.env.CI === "true") describe(name, body);
  else describe.skip(`${name} (skipped: apt-get install postgresql)`, body);
}

/** PostgreSQL refuses to run as root. */
function ordinaryUser(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const idOf = (flag: string) => {
    for (const user of ["postgres", "nobody"]) {
      try {
        return Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
      } catch {
        // The next one.
      }
    }
    throw new Error("there is no ordinary user to run PostgreSQL as");
  };
  return { uid: idOf("-u"), gid: idOf("-g") };
}

export interface PostgresServerOptions {
  /** Settings of postgresql.conf beyond those of a fresh installation. */
  readonly settings?: Readonly<Record<string, string>>;
  /** It speaks TLS besides, and all users but its own need that and a password. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #user: ReturnType<typeof ordinaryUser>;
  #settings: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  #output = "";
  #databases = 0;

  private constructor(port: number, settings: Readonly<Record<string, string>>) {
    this.port = port;
    this.#settings = settings;
    this.#user = ordinaryUser();
    this.#folder = mkdtempSync(join(tmpdir(), "millrace-postgres-"));
    const { uid, gid } = this.#user;
    if (uid !== undefined && gid !== undefined) chownSync(this.#folder, uid, gid);
  }

  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const { settings = {}, tls } = options;
    if (folder === undefined) throw new Error("no PostgreSQL: apt-get install postgresql");
    const server = new PostgresServer(await freePort(), settings);
    const parameters = ["--pgdata", server.#data, "--username", "postgres", "--auth", "trust"];
    const others = ["--encoding", "UTF8", "--locale", "C", "--no-sync"];
    await run(join(folder, "initdb"), [...parameters, ...others], {
      ...server.#user,
      cwd: server.#folder,
    });
    if (tls !== undefined) server.#speakTls(tls);
    await server.startAgain();
    return server;
  }

  /** Of the database that every server has. */
  get url(): string {
    return this.#urlOf("postgres");
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** A new, empty database; its address. */
  async createDatabase(): Promise<string> {
    this.#databases += 1;
    const name = `test_${this.#databases}`;
    await this.query(`create database ${name}`);
    return this.#urlOf(name);
  }

  async query<Row>(sql: string, url = this.url): Promise<Row[]> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end();
    }
  }

  /** After `stop` or `kill`. */
  async startAgain(): Promise<void> {
    await vi.waitFor(
      async () => {
        this.#launch();
        await this.#untilReady();
      },
      // The memory of a killed one is in use until the last of its processes has noticed.
      { timeout: 30_000, interval: 100 },
    );
  }

  /** `fast` breaks all sessions off in order; `immediate` leaves the rest to recovery. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    await this.#end(mode === "fast" ? "SIGINT" : "SIGQUIT");
  }

  /** `kill -9` to all of its processes at once. */
  async kill(): Promise<void> {
    const pids = await this.#pids();
    for (const pid of pids.slice(1)) signal(pid, "SIGKILL");
    await this.#end("SIGKILL");
  }

  /** Stops all of its processes in what they do, or lets them go on. */
  async pause(): Promise<void> {
    for (const pid of await this.#pids()) signal(pid, "SIGSTOP");
  }
  async resume(): Promise<void> {
    for (const pid of await this.#pids()) signal(pid, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resume();
    await this.stop("immediate");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#folder, "data");
  }

  /** The key must belong to whom the server runs as. */
  #speakTls({ cert, key }: { readonly cert: string; readonly key: string }): void {
    const { uid, gid } = this.#user;
    for (const [name, from] of Object.entries({ "server.crt": cert, "server.key": key })) {
      const file = join(this.#data, name);
      copyFileSync(from, file);
      chmodSync(file, 0o600);
      if (uid !== undefined && gid !== undefined) chownSync(file, uid, gid);
    }
    const rules = [
      "host all postgres 127.0.0.1/32 trust",
      "hostssl all all 127.0.0.1/32 scram-sha-256",
    ];
    writeFileSync(join(this.#data, "pg_hba.conf"), `${rules.join("\n")}\n`);
    this.#settings = { ...this.#settings, ssl: "on" };
  }

  #urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  #launch(): void {
    if (this.#process !== undefined && this.#process.exitCode === null) return;
    const settings = {
      listen_addresses: "127.0.0.1",
      port: String(this.port),
      unix_socket_directories: this.#folder,
      max_connections: "200",
      ...this.#settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(join(folder ?? "", "postgres"), ["-D", this.#data, ...flags], {
      stdio: ["ignore", "ignore", "pipe"],
      cwd: this.#folder,
      ...this.#user,
    });
    child.stderr.on("data", (chunk) => {
      this.#output = `${this.#output}${chunk}`.slice(-10_000);
    });
    this.#process = child;
  }

  async #untilReady(): Promise<void> {
    await vi.waitFor(
      async () => {
        if (this.#process?.exitCode !== null) throw new Error(`it ended:\n${this.#output}`);
        await this.query("select 1");
      },
      { timeout: 10_000, interval: 20 },
    );
  }

  async #end(how: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(how);
    await exited;
  }

  /** The first one is the one that starts the others. */
  async #pids(): Promise<number[]> {
    if (this.#process === undefined) return [];
    const { stdout } = await run("ps", ["-eo", "pid=,ppid="]);
    const children = stdout.split("\n").flatMap((line) => {
      const [pid = 0, ppid] = line.trim().split(/\s+/).map(Number);
      return ppid === this.pid ? [pid] : [];
    });
    return [this.pid, ...children];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
