import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import type { Clock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";

export interface ServerProcessOptions {
  readonly name: string;
  readonly program: string;
  readonly parameters: readonly string[];
  /** Whether it answers. */
  readonly isReady: () => Promise<boolean>;
  readonly clock: Clock;
  /** Whose processes it and its children are, where not ours. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Takes what it says. */
  readonly onOutput: (text: string) => void;
}

const startMs = 30_000;
const lookMs = 50;

/**
 * A server that a drill has started for itself, to strike it. It is in a group of its own, so that
 * a Ctrl-C in the terminal does not reach it before the drill wants it to end; it never outlives
 * this process.
 */
export class ServerProcess implements AsyncDisposable {
  readonly name: string;
  readonly #options: ServerProcessOptions;
  #child: ChildProcess | undefined;
  readonly #endWithUs = () => void this.#child?.kill("SIGKILL");

  constructor(options: ServerProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /**
   * Resolves once it answers. Nothing where it runs. One that ends at once is tried again: what a
   * killed one held may not be free yet.
   */
  async start(): Promise<void> {
    const { clock, isReady } = this.#options;
    const deadline = clock.monotonic() + startMs;
    this.#launch();
    while (this.#child === undefined || !(await isReady())) {
      if (clock.monotonic() > deadline) {
        throw new MillraceError("MR_START_FAILED", `The server ${this.name} does not start.`, {
          remedy: "What it said stands in the log beside the report.",
        });
      }
      await clock.sleep(lookMs);
      this.#launch();
    }
  }

  #launch(): void {
    if (this.#child !== undefined) return;
    const { program, parameters, onOutput, user } = this.#options;
    const stdio = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];
    const child = spawn(program, parameters, { stdio, detached: true, ...user });
    this.#child = child;
    process.once("exit", this.#endWithUs);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", onOutput);
    }
    child.once("exit", () => this.#forget(child));
    child.once("error", () => this.#forget(child));
  }

  /** `kill -9` of all of its processes; resolves when the first of them is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, "exit");
    await this.#signal("SIGKILL");
    await ended;
  }

  async pause(): Promise<void> {
    await this.#signal("SIGSTOP");
  }

  async resume(): Promise<void> {
    await this.#signal("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #signal(signal: NodeJS.Signals): Promise<void> {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    for (const one of [pid, ...(await childrenOf(pid))]) {
      try {
        process.kill(one, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  #forget(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    process.off("exit", this.#endWithUs);
  }
}

/** A server may have a process for each of its connections. */
async function childrenOf(parent: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,ppid="]);
  return stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []));
}
