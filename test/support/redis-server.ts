/** A real Redis server of a test's own: its port, its folder, and its end. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";

export const installRedis = "apt-get install redis-server";

function isInstalled(): boolean {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Why tests on Redis are skipped; undefined where they can run, and where they must. */
export const withoutRedis: string | undefined =
  isInstalled() || process.env.CI === "true" ? undefined : `needs Redis: ${installRedis}`;

export class RedisServer {
  readonly port: number;
  readonly folder: string;
  readonly #options: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, folder: string, options: readonly string[]) {
    this.port = port;
    this.folder = folder;
    this.#options = options;
  }

  static async start(...options: readonly string[]): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), "millrace-redis-"));
    const server = new RedisServer(await freePort(), folder, options);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get socketUrl(): string {
    return `redis+unix://${join(this.folder, "redis.sock")}`;
  }

  /** With what it has written to its folder, if anything. */
  async start(): Promise<void> {
    this.#process = spawn(
      "redis-server",
      [
        ...["--port", String(this.port), "--bind", "127.0.0.1", "--dir", this.folder],
        ...["--unixsocket", join(this.folder, "redis.sock"), "--save", "", "--appendonly", "no"],
        ...["--loglevel", "warning", "--enable-debug-command", "yes", ...this.#options],
      ],
      { stdio: ["ignore", "ignore", "inherit"] },
    );
    await this.#answers();
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    this.#process = undefined;
    const ended = once(running, "exit");
    running.kill("SIGCONT");
    running.kill(signal);
    await ended;
  }

  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Asks the server by its own client. */
  cli(...command: readonly string[]): string {
    return execFileSync("redis-cli", ["-p", String(this.port), ...command], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #answers(): Promise<void> {
    for (;;) {
      if (this.#process?.exitCode !== null) throw new Error("redis-server ended at its start");
      if (await this.#pong()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #pong(): Promise<boolean> {
    const socket = connect(this.port, "127.0.0.1");
    try {
      await once(socket, "connect");
      socket.write("PING\r\n");
      const [answer] = await once(socket, "data");
      return String(answer).startsWith("+PONG") || String(answer).startsWith("-NOAUTH");
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }
}
