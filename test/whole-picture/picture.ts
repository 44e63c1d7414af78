/**
 * The whole picture as real processes: `millrace start` of an example, on a free port and a new
 * data folder.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, vi } from "vitest";
import { freePort } from "../support/free-port.ts";

const root = resolve(import.meta.dirname, "../..");
const millrace = join(root, "bin/millrace.mjs");

export interface Box {
  readonly name: string;
  readonly pid: number;
}

export class Picture implements AsyncDisposable {
  readonly url: string;
  readonly data: string;
  readonly #args: readonly string[];
  #process: ChildProcess;
  #output = "";
  /** Where the output of the running process begins. */
  #spawnedAt = 0;

  readonly #environment: NodeJS.ProcessEnv;

  private constructor(
    port: number,
    data: string,
    args: readonly string[],
    environment: NodeJS.ProcessEnv,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.data = data;
    this.#args = args;
    this.#environment = environment;
    this.#process = this.#spawn();
  }

  static async start(
    app = "examples/social/app.ts",
    options: readonly string[] = [],
    environment: NodeJS.ProcessEnv = {},
    /** Until when to wait: the API answers, or every box is ready and the first screen is there. */
    until: "answering" | "whole" = "whole",
    /** For how long to wait for that. */
    patienceMs = waitOptions.timeout,
  ) {
    const data = await mkdtemp(join(tmpdir(), "mr-"));
    const port = await freePort();
    const where = ["--port", String(port), "--admin-port", "0", "--data", data];
    const args = ["start", join(root, app), ...where, ...options];
    const picture = new Picture(port, data, args, environment);
    await picture.#untilReady(patienceMs);
    if (until === "whole") await picture.#untilWhole(patienceMs);
    return picture;
  }

  /** The same system on the same data, after `stop`. */
  async startAgain(): Promise<void> {
    this.#process = this.#spawn();
    await this.#untilReady();
    await this.#untilWhole();
  }

  #spawn(): ChildProcess {
    this.#spawnedAt = this.#output.length;
    const child = spawn(process.execPath, [millrace, ...this.#args], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: this.data,
      env: { ...process.env, ...this.#environment },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        this.#output += chunk;
      });
    }
    return child;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** What the command printed so far, both streams. */
  get output(): string {
    return this.#output;
  }

  /** The running boxes, by their names: `balancer`, `gateway-1`, `worker-timelines-1`. */
  async boxes(): Promise<Box[]> {
    const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,ppid=,args="]);
    return stdout.split("\n").flatMap((line) => {
      const [pid, ppid, ...args] = line.trim().split(/\s+/);
      if (Number(ppid) !== this.#process.pid) return [];
      const name = args.find((arg) => /^(balancer|admin|gateway-\d+|worker-.+-\d+)$/.test(arg));
      const last = args.findLast((arg) => arg === name) ?? name;
      return last === undefined ? [] : [{ name: last, pid: Number(pid) }];
    });
  }

  /**
   * Kills the supervisor with `kill -9` and starts the system again, as a service manager does. Its
   * processes notice and end by themselves; until then the new one may find the port taken.
   *
   * @param until it answers again, or has only begun
   */
  async killSupervisor(until: "answering" | "begun" = "answering"): Promise<void> {
    this.revive();
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
    this.revive();
    if (until === "begun") return;
    await vi.waitFor(async () => {
      this.revive();
      await this.#untilReady();
    }, waitOptions);
  }

  /**
   * Starts the system again where it has ended by itself, as a service manager does: a start that
   * finds no database, say, fails.
   */
  revive(): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null) return;
    this.#process = this.#spawn();
  }

  /** Kills a box with `kill -9`, and waits until its successor is ready. */
  async kill(name: string): Promise<void> {
    const box = (await this.boxes()).find((candidate) => candidate.name === name);
    if (box === undefined) throw new Error(`${name} is not running:\n${this.#output}`);
    process.kill(box.pid, "SIGKILL");
    await vi.waitFor(async () => {
      const again = (await this.boxes()).find((candidate) => candidate.name === name);
      if (again === undefined || again.pid === box.pid) throw new Error(`${name} is not back`);
      await this.#isReady(name);
    }, waitOptions);
  }

  async #isReady(name: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    get({ socketPath: join(this.data, "run", `${name}.sock`), path: "/readyz" }, (answer) => {
      answer.resume();
      if (answer.statusCode === 200) resolve();
      else reject(new Error(`${name} answers ${answer.statusCode}`));
    }).once("error", reject);
    await promise;
  }

  /** Runs the command line against this system. */
  async command(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [millrace, ...args], {
      cwd: this.data,
      env: {
        ...process.env,
        ...this.#environment,
        MILLRACE_DATA: this.data,
        MILLRACE_URL: this.url,
      },
      maxBuffer: 64 * 1_048_576,
    });
    return stdout;
  }

  async stop(): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const [code] = await exited;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.data, { recursive: true, force: true });
  }

  /** Every box is ready: only then comes the first screen. */
  async #untilWhole(timeout = waitOptions.timeout): Promise<void> {
    await vi.waitFor(() => expect(this.#output.slice(this.#spawnedAt)).toMatch(/^millrace \d/m), {
      ...waitOptions,
      timeout,
    });
  }

  async #untilReady(timeout = waitOptions.timeout): Promise<void> {
    await vi.waitFor(
      async () => {
        if (this.#process.exitCode !== null) throw new Error(`it ended:\n${this.#output}`);
        const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
        if (answer?.status !== 200) throw new Error(`not ready yet:\n${this.#output}`);
        await answer.body?.cancel();
      },
      { ...waitOptions, timeout },
    );
  }
}

export const waitOptions = { timeout: 30_000, interval: 50 };
