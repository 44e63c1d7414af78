/**
 * What every supervised process runs: it loads the code of its box at once, begins when it is told,
 * says that it is alive, and stops in order on `drain` and when its supervisor is gone. SIGTERM it
 * passes on to the supervisor, who knows whether all boxes are meant, and whose turn it is.
 *
 *     node main.js gateway gateway-1 10000      the box, its name, its drain deadline in ms
 */
import closeWithGrace from "close-with-grace";
import { systemClock } from "../../lib/clock.ts";
import { asError, assert } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { type Log, silentLog } from "../../lib/log.ts";
import { loadApplication } from "../application.ts";
import { dataFolderAt } from "../data-folder.ts";
import { createEngines, type Engines } from "../engines.ts";
import { createLog } from "../logging.ts";
import { type Assignment, type FromBox, reportOf, type ToBox } from "../messages.ts";
import type { ProcessPlan } from "../topology.ts";
import { versionsOf } from "../versions.ts";
import type { BoxContext, RunningBox } from "./box.ts";

type Loader = () => Promise<(plan: never, context: BoxContext) => Promise<RunningBox>>;

const loaders: Readonly<Record<ProcessPlan["kind"], Loader>> = {
  balancer: async () => (await import("./balancer.ts")).startBalancer,
  gateway: async () => (await import("./gateway.ts")).startGateway,
  worker: async () => (await import("./worker.ts")).startWorker,
  admin: async () => (await import("./admin.ts")).startAdmin,
  picture: async () => (await import("./picture.ts")).startPicture,
};

/** The one box of this process, from its loading to its end. */
class BoxProcess {
  readonly #name: string;
  readonly #loading: ReturnType<Loader>;
  readonly #grace: ReturnType<typeof closeWithGrace>;
  #log: Log = silentLog;
  #engines: Engines | undefined;
  #box: RunningBox | undefined;
  #failure: Error | undefined;
  #isStopping = false;

  constructor(kind: ProcessPlan["kind"], name: string, drainMs: number) {
    this.#name = name;
    this.#loading = loaders[kind]();
    // The first word: from here on silence means that it hangs.
    const speak = () => tell({ kind: "alive" });
    this.#loading.then(
      () => {
        speak();
        systemClock.every(limits.aliveIntervalMs, speak);
      },
      () => {},
    );
    // Ctrl-C, a closed terminal and most service managers signal every process of the group.
    for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
    process.on("SIGTERM", () => this.#askToStop(drainMs));
    this.#grace = closeWithGrace(
      { delay: drainMs, skip: ["SIGINT", "SIGHUP", "SIGTERM"], logger: false },
      ({ err }) => this.#end(err),
    );
    process.once("disconnect", () => this.#stop());
    process.on("message", (message: ToBox) => this.#hear(message));
  }

  #hear(message: ToBox): void {
    switch (message.kind) {
      case "begin":
        void this.#begin(message.assignment);
        break;
      case "drain":
        this.#stop();
        break;
      case "gateway":
        void this.#box?.steer?.(message.name, message.serving).then(() => tell(message));
        break;
    }
  }

  async #begin(assignment: Assignment): Promise<void> {
    const { plan, app, data: folder, config, workerNames, run } = assignment;
    try {
      const clock = systemClock;
      const data = dataFolderAt(folder);
      this.#log = await createLog(config, this.#name);
      const onFatal = (error: Error) => this.#fail(error);
      this.#engines = createEngines({ config, data, clock, onFatal });
      const start = await this.#loading;
      this.#box = await start(plan as never, {
        application: () => loadApplication(app),
        versions: () => versionsOf(app),
        workerNames,
        run,
        config,
        data,
        engines: this.#engines,
        clock,
        log: this.#log,
        progressed: () => tell({ kind: "progress" }),
        fail: onFatal,
      });
      const { port, adminPort, summary } = this.#box;
      tell({
        kind: "ready",
        ...(port === undefined ? {} : { port }),
        ...(adminPort === undefined ? {} : { adminPort }),
        ...(summary === undefined ? {} : { summary }),
      });
    } catch (thrown) {
      this.#fail(asError(thrown));
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#stop();
  }

  /** A supervisor that does not react by then hangs, and no reason to go on. */
  #askToStop(patienceMs: number): void {
    tell({ kind: "terminated" });
    systemClock.after(process.connected ? patienceMs : 0, () => this.#stop());
  }

  #stop(): void {
    if (!this.#isStopping) void this.#grace.close();
    this.#isStopping = true;
  }

  /** A status other than 0 tells the supervisor that this end was nobody's wish. */
  async #end(crash: Error | undefined): Promise<void> {
    this.#isStopping = true;
    const error = crash ?? this.#failure;
    if (error !== undefined) {
      // Before it was ready, its supervisor tells the mistake, once for all boxes that share it.
      if (this.#box !== undefined) {
        this.#log.error({ err: error }, `${this.#name} cannot go on: ${error.message}`);
      }
      tell({ kind: "failed", error: reportOf(error) });
    }
    await this.#box?.stop();
    await this.#engines?.[Symbol.asyncDispose]();
    if (error !== undefined) throw error;
  }
}

function tell(message: FromBox): void {
  // Once the supervisor is gone nobody listens, and the process is about to stop anyway.
  if (process.connected) process.send?.(message, () => {});
}

const [, , kind = "", name = kind, drainMs = ""] = process.argv;
assert(kind in loaders, `main.ts was asked for a box "${kind}"`);
process.title = `millrace ${name}`;
new BoxProcess(kind as ProcessPlan["kind"], name, Number(drainMs));
