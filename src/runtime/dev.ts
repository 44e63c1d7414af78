import { randomUUID } from "node:crypto";
import { dirname, extname, resolve, sep } from "node:path";
import { watch } from "chokidar";
import { type Clock, settledWithin } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import { keepAlive } from "../lib/keep-alive.ts";
import type { Service } from "../lib/lifecycle.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { boxModule } from "./box-module.ts";
import { Child } from "./child.ts";
import type { Config } from "./config.ts";
import type { Ready } from "./messages.ts";

export interface DevOptions {
  readonly app: string;
  readonly config: Config;
  /** The data folder, absolute. */
  readonly data: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: NodeJS.ProcessEnv;
  readonly onReady: (ready: Ready, generation: number) => void;
  /** The application could not be started; the next change may mend it. */
  readonly onFailure: (error: Error) => void;
  readonly onChange: (files: readonly string[]) => void;
  readonly onOutput: (text: string) => void;
}

const watchedEndings = new Set([".ts", ".mts", ".js", ".mjs", ".json"]);

/**
 * Runs the whole picture in one process, and anew whenever the application changes.
 *
 * The process is a child that is replaced, not this one that imports the application again: Node
 * keeps every module that it has loaded, so that a changed import of an import would stay stale,
 * and what the old code had set up would live on. The next child loads Millrace while the last one
 * stops.
 */
export class DevRunner implements Service {
  readonly #options: DevOptions;
  readonly #changed = new Set<string>();
  readonly #run = randomUUID();
  #generation = 0;
  #child: Child | undefined;
  #next: Child;
  #watcher: ReturnType<typeof watch> | undefined;
  #settling: Disposable | undefined;
  #alive: Disposable | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isStopping = false;

  constructor(options: DevOptions) {
    this.#options = options;
    this.#next = this.#newChild();
  }

  /** Resolves when the application has been started or has failed for the first time. */
  async start(): Promise<void> {
    this.#alive = keepAlive();
    this.#watch();
    await this.#renew();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#settling?.[Symbol.dispose]();
    await this.#watcher?.close();
    await Promise.all([this.#child?.stop(), this.#next.stop()]);
    this.#alive?.[Symbol.dispose]();
  }

  kill(): void {
    this.#child?.kill();
    this.#next.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #watch(): void {
    const { app, data } = this.#options;
    const folder = dirname(resolve(app));
    this.#watcher = watch(folder, {
      ignoreInitial: true,
      ignored: (path, stats) => {
        if (path === folder) return false;
        const name = path.slice(path.lastIndexOf(sep) + 1);
        if (name.startsWith(".") || name === "node_modules" || path === data) return true;
        return stats?.isFile() === true && !watchedEndings.has(extname(path));
      },
    });
    this.#watcher.on("all", (_event, path) => this.#hear(path));
  }

  /** An editor may write several files, and one file several times: all of it is one change. */
  #hear(path: string): void {
    if (!watchedEndings.has(extname(path))) return;
    this.#changed.add(path);
    this.#settling?.[Symbol.dispose]();
    this.#settling = this.#options.clock.after(limits.devSettleMs, () => {
      this.#options.onChange([...this.#changed]);
      this.#changed.clear();
      this.#turn = this.#turn.then(() => this.#renew());
    });
  }

  async #renew(): Promise<void> {
    if (this.#isStopping) return;
    const [last, child] = [this.#child, this.#next];
    child.launch();
    await last?.stop();
    this.#child = child;
    this.#next = this.#newChild();
    // Not awaited for ever: an application that hangs while it loads is mended by the next change.
    const started = child.start();
    started.catch((thrown) => this.#options.onFailure(asError(thrown)));
    await settledWithin(this.#options.clock, limits.startTimeoutMs, started);
  }

  #newChild(): Child {
    const { app, config, data, clock, log, environment } = this.#options;
    const drainMs = Math.min(config.drainMs, limits.devDrainMs);
    const generation = this.#generation++;
    return new Child({
      name: "picture",
      module: boxModule,
      parameters: ["picture", "picture", String(drainMs)],
      begin: {
        kind: "begin",
        assignment: {
          plan: { kind: "picture", name: "picture" },
          app: resolve(app),
          data,
          config,
          workerNames: [],
          run: this.#run,
        },
      },
      stopMs: drainMs + limits.killAfterMs,
      // Whoever stands at a breakpoint does not hang.
      aliveTimeoutMs: Number.POSITIVE_INFINITY,
      youngMegabytes: limits.devYoungMegabytes,
      clock,
      log,
      environment,
      onOutput: this.#options.onOutput,
      onMessage: (message) => {
        if (message.kind === "ready") this.#options.onReady(message, generation);
      },
    });
  }
}
