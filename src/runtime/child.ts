import { type ChildProcess, fork } from "node:child_process";
import { getCompileCacheDir } from "node:module";
import type { Clock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { type ErrorReport, errorOf, type FromBox, type ToBox } from "./messages.ts";
import { nextRestart, noFailures, type RestartHistory } from "./restart-policy.ts";

export type ChildState = "stopped" | "starting" | "running" | "stopping" | "waiting";

export interface ChildOptions {
  /** `gateway-1`. */
  readonly name: string;
  /** The file that the process runs, and what it gets on its command line. */
  readonly module: string;
  readonly parameters: readonly string[];
  /** What it is told as soon as it may begin. */
  readonly begin: ToBox;
  /** How long it may take to stop before it is killed. */
  readonly stopMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Everything it tells but `alive`. */
  readonly onMessage?: (message: FromBox) => void;
  readonly environment?: NodeJS.ProcessEnv;
  /** Silent for this long, it hangs. */
  readonly aliveTimeoutMs: number;
  /** The room for young objects; `limits.youngMegabytes` where not given. */
  readonly youngMegabytes?: number;
  /** Takes what the process writes to stdout and stderr, which else goes where ours goes. */
  readonly onOutput?: (text: string) => void;
}

/**
 * One supervised process: begun, watched, begun again when it ends, and stopped.
 *
 * ```
 *            launch                    ready
 *  stopped ─────────▶ starting ─────────────────────▶ running
 *    ▲ ▲                 │  ▲                            │
 *    │ │      ended, or  │  │ the delay is over          │ ended, or silent
 *    │ │   silent: kill  ▼  │                            │ for too long: kill
 *    │ └───── stop ──── waiting ◀────────────────────────┘
 *    │
 *    └─ ended ─ stopping ◀── stop ── starting or running (killed after `stopMs`)
 * ```
 */
export class Child {
  readonly name: string;
  readonly #options: ChildOptions;
  #state: ChildState = "stopped";
  #process: ChildProcess | undefined;
  #history: RestartHistory = noFailures;
  #restarts = 0;
  #wasReady = false;
  #mayBegin = false;
  #startedAt = 0;
  #heardAt = 0;
  #checkedAt = 0;
  #hasSpoken = false;
  #lastFailure: ErrorReport | undefined;
  #watch: Disposable | undefined;
  #pause: Disposable | undefined;
  #ready = Promise.withResolvers<void>();
  #ended = Promise.withResolvers<void>();

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#options = options;
    this.#expectReady();
  }

  get state(): ChildState {
    return this.#state;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** How often it was begun again after it had ended by itself. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Begins the process, so that it can load its code; its work begins with `begin`. */
  launch(): void {
    if (this.#state === "stopped") this.#spawn();
  }

  /** Lets the process begin its work. It resolves when the process is ready. */
  async start(): Promise<void> {
    this.#mayBegin = true;
    if (this.#state === "stopped") this.#spawn();
    else this.send(this.#options.begin);
    await this.#ready.promise;
  }

  send(message: ToBox): void {
    if (this.#process?.connected) this.#process.send(message, () => {});
  }

  /**
   * Asks the process to finish what runs and end; kills it where it takes too long, and at once
   * where it has not begun to work: while it loads it could not hear, and has nothing to finish.
   * Idempotent.
   */
  async stop(): Promise<void> {
    const running = this.#process;
    this.#pause?.[Symbol.dispose]();
    if (running === undefined) {
      this.#state = "stopped";
      return;
    }
    if (this.#state === "running" && running.connected) this.send({ kind: "drain" });
    else if (this.#state !== "stopping") this.kill();
    this.#state = "stopping";
    const { clock, log, stopMs } = this.#options;
    using _deadline = clock.after(stopMs, () => {
      log.warn({ child: this.name }, `${this.name} does not stop and is killed`);
      this.kill();
    });
    await this.#ended.promise;
  }

  kill(): void {
    this.#process?.kill("SIGKILL");
  }

  /** Stops and begins again, for a rolling restart; resolves when the new process is ready. */
  async renew(): Promise<void> {
    await this.stop();
    this.#expectReady();
    await this.start();
  }

  #expectReady(): void {
    this.#ready = Promise.withResolvers();
    // Whoever started it is told; where nobody waits, a failed start is no crash of the supervisor.
    this.#ready.promise.catch(() => {});
  }

  #spawn(): void {
    const { module, parameters, clock, environment, onOutput } = this.#options;
    const { youngMegabytes = limits.youngMegabytes } = this.#options;
    const output = onOutput === undefined ? "inherit" : "pipe";
    this.#state = "starting";
    this.#ended = Promise.withResolvers();
    this.#lastFailure = undefined;
    const child = fork(module, [...parameters], {
      execPath: process.execPath,
      execArgv: [
        "--disable-warning=ExperimentalWarning",
        `--max-semi-space-size=${youngMegabytes}`,
        // Little survives a batch: waking threads for it costs more than what they take over.
        "--no-parallel-scavenge",
      ],
      env: withCompileCache(environment ?? process.env),
      serialization: "advanced",
      stdio: ["ignore", output, output, "ipc"],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => onOutput?.(text));
    }
    this.#process = child;
    this.#startedAt = clock.monotonic();
    this.#heardAt = this.#startedAt;
    this.#checkedAt = this.#startedAt;
    this.#hasSpoken = false;
    child.on("message", (message) => this.#hear(message as FromBox));
    child.on("error", (error) => this.#options.log.error({ err: error }, `${this.name} failed`));
    child.once("exit", (status, signal) => this.#handleEnd(status, signal));
    this.#watch = clock.every(limits.aliveIntervalMs, () => this.#checkAlive());
    if (this.#mayBegin) this.send(this.#options.begin);
  }

  #hear(message: FromBox): void {
    this.#heardAt = this.#options.clock.monotonic();
    this.#hasSpoken = true;
    if (message.kind === "alive") return;
    if (message.kind === "ready" && this.#state === "starting") {
      this.#state = "running";
      this.#wasReady = true;
      this.#ready.resolve();
    }
    if (message.kind === "failed") this.#lastFailure = message.error;
    // What ends it again and again lets it get something done in between.
    if (message.kind === "progress") this.#history = noFailures;
    this.#options.onMessage?.(message);
  }

  /**
   * A handler that never returns, or a stopped process, says nothing. One that still loads its code
   * does not either, and takes the longer the more of them there are: killed for that, they would
   * all begin again and never get anywhere. Where this check itself comes late, it was the
   * supervisor that stood still, and what the child said is not yet read.
   */
  #checkAlive(): void {
    const { clock, log } = this.#options;
    const aliveTimeoutMs = this.#hasSpoken
      ? this.#options.aliveTimeoutMs
      : Math.max(this.#options.aliveTimeoutMs, limits.loadTimeoutMs);
    const now = clock.monotonic();
    const isLate = now - this.#checkedAt > 2 * limits.aliveIntervalMs;
    this.#checkedAt = now;
    if (isLate) this.#heardAt = Math.max(this.#heardAt, now - aliveTimeoutMs / 2);
    if (this.#state === "stopping" || now - this.#heardAt < aliveTimeoutMs) return;
    log.error(
      { child: this.name, silentMs: Math.round(now - this.#heardAt) },
      `${this.name} hangs and is killed`,
    );
    this.kill();
  }

  #handleEnd(status: number | null, signal: NodeJS.Signals | null): void {
    const wasStopping = this.#state === "stopping";
    const ranMs = this.#options.clock.monotonic() - this.#startedAt;
    this.#watch?.[Symbol.dispose]();
    this.#process = undefined;
    this.#state = "stopped";
    this.#ended.resolve();
    if (wasStopping) return;
    // What never started because of a mistake will not start the next time either.
    if (!this.#wasReady && this.#lastFailure !== undefined) {
      this.#ready.reject(errorOf(this.#lastFailure, this.name));
      return;
    }
    this.#beginAgain(ranMs, status, signal);
  }

  #beginAgain(ranMs: number, status: number | null, signal: NodeJS.Signals | null): void {
    const { clock, log } = this.#options;
    const { delayMs, history } = nextRestart(this.#history, ranMs);
    this.#history = history;
    this.#state = "waiting";
    this.#restarts += 1;
    const how = signal === null ? `with status ${status}` : `by ${signal}`;
    const why = this.#lastFailure === undefined ? "" : `: ${this.#lastFailure.message}`;
    log.error(
      { child: this.name, status, signal, delayMs, code: this.#lastFailure?.code },
      `${this.name} ended ${how}${why}; it begins again in ${delayMs} ms`,
    );
    this.#pause = clock.after(delayMs, () => this.#spawn());
  }
}

/** What this process has compiled the child need not compile again, its first modules included. */
function withCompileCache(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const folder = getCompileCacheDir();
  return folder === undefined ? environment : { NODE_COMPILE_CACHE: folder, ...environment };
}
