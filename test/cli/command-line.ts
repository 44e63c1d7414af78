/** Runs `bin/millrace.mjs` as people do: as a process, with what it prints and how it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { vi } from "vitest";

const root = resolve(import.meta.dirname, "../..");
const millrace = join(root, "bin/millrace.mjs");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Run {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A command that is running. */
export class Command implements AsyncDisposable {
  readonly process: ChildProcess;
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;

  constructor(args: readonly string[], { cwd = root, env = {} }: Run = {}) {
    const { NO_COLOR: _no, FORCE_COLOR: _force, ...environment } = process.env;
    this.process = spawn(process.execPath, [millrace, ...args], {
      cwd,
      env: { ...environment, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process.stdout?.on("data", (chunk) => {
      this.stdout += chunk;
    });
    this.process.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
    this.ended = once(this.process, "close").then(([code]) => {
      const { stdout, stderr } = this;
      return { code, stdout, stderr };
    });
  }

  /** Waits until what it printed, on either stream, matches. */
  async prints(pattern: RegExp): Promise<void> {
    await vi.waitFor(
      () => {
        const printed = this.stdout + this.stderr;
        if (!pattern.test(printed)) throw new Error(`${pattern} is not in:\n${printed}`);
      },
      { timeout: 30_000, interval: 20 },
    );
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    if (this.process.exitCode === null) this.process.kill(signal);
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export async function run(args: readonly string[], options?: Run): Promise<Ended> {
  return await new Command(args, options).ended;
}
