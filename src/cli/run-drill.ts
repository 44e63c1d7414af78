import { createWriteStream, type WriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { attachSystem } from "../drill/attached-system.ts";
import { runDrill } from "../drill/drill.ts";
import { ownApplication, startOwnSystem } from "../drill/own-system.ts";
import { reportPage } from "../drill/page.ts";
import type { DrillReport } from "../drill/report.ts";
import { openScene } from "../drill/scene.ts";
import type { EngineServers } from "../drill/servers/engine-servers.ts";
import type { DrilledSystem } from "../drill/system.ts";
import { type ServerEngine, serverFaults } from "../drill/targets.ts";
import { Tripwire } from "../drill/tripwire.ts";
import { systemClock } from "../lib/clock.ts";
import { systemRandom } from "../lib/random.ts";
import { shortPath } from "../lib/short-path.ts";
import type { ExitCode } from "./command.ts";
import { confirm } from "./confirm.ts";
import type { DrillCommandOptions } from "./drill.ts";
import { type DrillCall, parseDrill } from "./drill-call.ts";
import { DrillMeter, reportText } from "./drill-view.ts";
import type { Output } from "./output.ts";
import { StopSignals } from "./stop-signals.ts";

type Call = DrillCommandOptions & { readonly target: string; readonly output: Output };

/** Where a drill's system lives, and what it starts with. */
interface Stage {
  readonly system: DrilledSystem;
  readonly tripwire: Tripwire | undefined;
  readonly servers: readonly EngineServers[];
}

/** A drill from its start to its verdict; 1 where a promise was broken. */
export async function runDrillCommand(given: Call): Promise<ExitCode> {
  const call = parseDrill(given);
  const { output } = given;
  if (call.attach !== undefined && given.yes !== true && !(await isMeant(call))) return 130;
  const stop = new AbortController();
  let kill = () => {};
  const signals = new StopSignals({ onKill: () => kill() });
  void signals.stop.then(() => {
    output.progress("\nHealing what was struck, and looking what came of it. Once more ends it.");
    stop.abort();
  });
  await using place = await Place.open(call);
  const stage = await setStage(call, place, output, (end) => {
    kill = end;
  });
  try {
    const report = await drill(call, stage, stop.signal, output);
    await tell(report, call, output);
    place.isKept = report.verdict === "broken" && call.attach === undefined;
    if (place.isKept) output.progress(`The system's data stays at ${place.folder}`);
    return report.isInterrupted ? 130 : report.verdict === "kept" ? 0 : 1;
  } finally {
    await stage.system.stop();
    stage.tripwire?.[Symbol.dispose]();
    for (const servers of stage.servers) await servers[Symbol.asyncDispose]();
  }
}

async function drill(
  call: DrillCall,
  { system, tripwire, servers }: Stage,
  signal: AbortSignal,
  output: Output,
): Promise<DrillReport> {
  const key = process.env.MILLRACE_KEY;
  await using scene = await openScene({
    ...call,
    system,
    isRecording: call.app === undefined,
    run: `drill-${systemRandom.bytes(4).toString("hex")}-`,
    headers: key === undefined || system.isOwn ? {} : { authorization: `Bearer ${key}` },
    clock: systemClock,
    random: systemRandom,
    serverFaults: servers.flatMap(({ faults }) => faults),
    ...(tripwire === undefined ? {} : { tripwire }),
  });
  using meter = new DrillMeter(output);
  return await runDrill(scene, {
    ...call,
    clock: systemClock,
    signal,
    onProgress: (progress) => meter.show(progress),
  });
}

/** The temporary folder of a drill's own system, and the log that goes beside the report. */
class Place implements AsyncDisposable {
  readonly folder: string;
  isKept = false;
  readonly #log: WriteStream;

  private constructor(folder: string, log: WriteStream) {
    this.folder = folder;
    this.#log = log;
  }

  static async open({ report, target }: DrillCall): Promise<Place> {
    await mkdir(report, { recursive: true });
    const log = createWriteStream(join(report, `${target}.log`));
    return new Place(await mkdtemp(join(tmpdir(), "millrace-drill-")), log);
  }

  write(text: string): void {
    this.#log.write(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((done) => this.#log.end(done));
    if (!this.isKept) await rm(this.folder, { recursive: true, force: true });
  }
}

async function setStage(
  call: DrillCall,
  place: Place,
  output: Output,
  onKill: (kill: () => void) => void,
): Promise<Stage> {
  const { app, attach, url, gateways, workers, engines } = call;
  if (attach !== undefined && app !== undefined) {
    const system = await attachSystem({ app, folder: attach, url });
    return { system, tripwire: undefined, servers: [] };
  }
  const what = app === undefined ? "a small system of its own" : shortPath(resolve(app));
  output.progress(`Starting ${what} in ${place.folder}`);
  const tripwire =
    app === undefined ? new Tripwire(join(place.folder, "tripwire"), systemClock) : undefined;
  const servers: EngineServers[] = [];
  try {
    for (const engine of engines) servers.push(await startServers(engine, place, output));
    const system = await startOwnSystem({
      app: app ?? ownApplication,
      folder: join(place.folder, "data"),
      workers: workers ?? (app === undefined ? "first=2,second=2" : ""),
      gateways,
      environment: Object.assign({}, ...servers.map(({ environment }) => environment)),
      boxEnvironment: tripwire?.environment ?? {},
      onOutput: (text) => place.write(text),
      onSupervised: (supervisor) => onKill(() => supervisor.kill()),
    });
    return { system, tripwire, servers };
  } catch (error) {
    for (const started of servers) await started[Symbol.asyncDispose]();
    throw error;
  }
}

async function startServers(
  engine: ServerEngine,
  place: Place,
  output: Output,
): Promise<EngineServers> {
  output.progress(`Starting ${serverFaults[engine].says}`);
  const folder = join(place.folder, engine);
  await mkdir(folder);
  const options = {
    folder,
    clock: systemClock,
    onOutput: (text: string) => place.write(text),
  };
  switch (engine) {
    case "nats":
      return await (await import("../drill/servers/nats.ts")).startNats(options);
    case "postgres":
      return await (await import("../drill/servers/postgres.ts")).startPostgres(options);
    case "postgres-queue":
      return await (await import("../drill/servers/postgres.ts")).startPostgresQueue(options);
    case "redis":
      return await (await import("../drill/servers/redis.ts")).startRedis(options);
  }
}

async function tell(report: DrillReport, call: DrillCall, output: Output): Promise<void> {
  const base = join(call.report, call.target);
  await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(`${base}.html`, reportPage(report));
  if (output.json) output.value(report);
  else output.line(reportText(report, (format, text) => output.paint(format, text)));
  output.progress(`Report: ${shortPath(resolve(`${base}.html`))} and .json`);
}

/** A system that somebody else has started is broken only by somebody who means it. */
async function isMeant({ attach = "", target }: DrillCall): Promise<boolean> {
  const question = `Break the ${target} of the system that runs on ${resolve(attach)}, and publish events to it?`;
  return await confirm(question, "Add --yes to go on without being asked.");
}
