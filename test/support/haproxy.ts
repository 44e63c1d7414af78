/** A real HAProxy with a configuration of a test's. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

function isInstalled(): boolean {
  try {
    execFileSync("haproxy", ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Why tests with HAProxy are skipped; undefined where they can run, and where they must. */
export const withoutHaproxy: string | undefined =
  isInstalled() || process.env.CI === "true" ? undefined : "needs HAProxy: apt-get install haproxy";

export class Haproxy implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly ended: Promise<unknown>;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#process = child;
    this.ended = once(child, "exit");
  }

  /** Checks the configuration, and runs it until it listens. */
  static async start(config: string, port: number): Promise<Haproxy> {
    const folder = mkdtempSync(join(tmpdir(), "millrace-haproxy-"));
    const file = join(folder, "haproxy.cfg");
    writeFileSync(file, config);
    execFileSync("haproxy", ["-c", "-q", "-f", file]);
    const child = spawn("haproxy", ["-db", "-f", file], { stdio: "ignore" });
    const haproxy = new Haproxy(folder, child);
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error("haproxy ended at its start");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return haproxy;
  }

  /** Takes no new connections, finishes what runs, and ends. */
  drain(): void {
    this.#process.kill("SIGUSR1");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
