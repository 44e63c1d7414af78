import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Clock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";

export interface ServerProcessOptions {
  readonly name: string;
  readonly program: string;
  readonly parameters: readonly string[];
  /** Whether it answers. */
  readonly isReady: () => Promise<boolean>;
  readonly clock: Clock;
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

  /** Resolves once it answers. Nothing where it runs. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    const { program, parameters, clock, isReady, onOutput } = this.#options;
    const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.#child = child;
    process.once("exit", this.#endWithUs);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", onOutput);
    }
    child.once("exit", () => this.#forget(child));
    child.once("error", () => this.#forget(child));
    const deadline = clock.monotonic() + startMs;
    while (!(await isReady())) {
      if (this.#child !== child || clock.monotonic() > deadline) {
        throw new MillraceError("MR_START_FAILED", `The server ${this.name} does not start.`, {
          remedy: "What it said stands in the log beside the report.",
        });
      }
      await clock.sleep(lookMs);
    }
  }

  /** `kill -9`; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #forget(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    process.off("exit", this.#endWithUs);
  }
}
