import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { silentLog } from "../lib/log.ts";
import { shortPath } from "../lib/short-path.ts";
import { withoutPassword } from "../lib/text.ts";
import { type Moved, type MoveProgress, move, type Side, type Target } from "../move/move.ts";
import { type Survey, survey } from "../move/survey.ts";
import { sealOf } from "../queue/seal.ts";
import { loadApplication } from "../runtime/application.ts";
import { type Config, type Flags, parseConfig } from "../runtime/config.ts";
import {
  type DataFolder,
  dataFolderAt,
  existingDataFolder,
  openDataFolder,
} from "../runtime/data-folder.ts";
import { lockBoxes, takenBoxes } from "../runtime/data-lock.ts";
import { createEngines, type Engines } from "../runtime/engines.ts";
import { hasQueue } from "../runtime/queue-existence.ts";
import { refuseUnsafeEngines } from "../runtime/safe-engines.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { ExitCode } from "./command.ts";
import { Interruption } from "./interruption.ts";
import type { MoveOptions } from "./move.ts";
import { counted, type Output } from "./output.ts";
import { progressBar } from "./progress-bar.ts";
import { StatusLine } from "./status-line.ts";
import { caller } from "./worker-view.ts";

interface Call extends MoveOptions {
  readonly app: string;
  readonly flags: Flags;
  readonly output: Output;
}

export async function runMove(call: Call): Promise<ExitCode> {
  const system = await loadApplication(call.app);
  const from = configOf(call.flags, call.from);
  if (call.reopen === true) return await reopen(call, from);
  if (call.dryRun === true) return await tellSurvey(call, from, system);
  if (call.to === undefined) throw usage("It is not said where to.", "Add --to ADDRESSES.");
  const to = configOf(call.flags, call.to);
  refusePair(from, to);
  await refuseUnsafeEngines(to, silentLog);
  const data = await sourceFolder(from);
  await refuseRunningHere(call.flags, from);
  await using _lock = await lockSystem(data, system);
  await using source = enginesOf(from, data);
  const partitions = (await source.queue()).partitions;
  await using target = enginesOf({ ...to, partitions }, await openDataFolder(to.data));
  using stop = new Interruption(
    usage("The move was interrupted.", "Call it again: it goes on where it was."),
  );
  const meter = new Meter(call.output);
  try {
    const moved = await move({
      from: await sideOf(source, from),
      to: await targetOf(target, to),
      workers: system.workers,
      who: caller(),
      clock: systemClock,
      signal: stop.signal,
      onProgress: (progress) => meter.show(progress),
    });
    meter.end();
    tell(call, to, moved);
    return 0;
  } catch (thrown) {
    meter.end();
    return stop.exitCode(thrown, call.output);
  }
}

/** The configuration with other engines; `sqlite:` alone, or `postgres://…`, is both. */
function configOf(flags: Flags, addresses: string | undefined): Config {
  if (addresses === undefined) return parseConfig(flags, process.env).config;
  // Several servers of one queue have commas between them, too.
  const [queue = "", database = queue, ...others] = addresses.split(
    /,(?=[a-z][a-z0-9+]*:(?:\/\/|,|$))/,
  );
  if (others.length > 0 || queue === "") {
    throw usage(
      "These are not the addresses of a queue and of databases.",
      "Two addresses with a comma between, such as nats://one:4222,postgres://db/shop.",
    );
  }
  return parseConfig({ ...flags, queue, database }, process.env).config;
}

function refusePair(from: Config, to: Config): void {
  const remedy = "--from says where the system is, --to where it goes; see docs/move.md.";
  for (const { queue, database } of [from, to]) {
    if (queue !== "memory:" && database !== "memory:") continue;
    throw usage("What is in memory ends with its process: there is nothing to move.", remedy);
  }
  if (from.queue === to.queue || from.database === to.database) {
    throw usage("Queue and databases move together, each to another place.", remedy);
  }
}

const isInFolder = ({ queue, database }: Config): boolean => [queue, database].includes("sqlite:");

/** The data folder of a system that has to be there: to open what is not there would make it. */
async function sourceFolder(config: Config): Promise<DataFolder> {
  const data = await (isInFolder(config) ? existingDataFolder : openDataFolder)(config.data);
  if (await hasQueue(config, data)) return data;
  throw new MillraceError("MR_MOVE_SOURCE", `There is no queue at ${whereOf(config)}.`, {
    remedy: "Say where the system is: --from, or MILLRACE_QUEUE and MILLRACE_DATABASE, and --data.",
  });
}

/** Boxes on servers leave their locks in this machine's usual folder, whatever the target's is. */
async function refuseRunningHere({ data: _target, ...flags }: Flags, from: Config): Promise<void> {
  const usual = dataFolderAt(parseConfig(flags, process.env).config.data);
  if (!isInFolder(from) && existsSync(usual.path)) await refuseRunning(usual);
}

async function refuseRunning(data: DataFolder): Promise<void> {
  const running = (await takenBoxes(data)).filter(({ isRunning }) => isRunning);
  if (running.length === 0) return;
  const boxes = running.map(({ box, pid }) => `${box} (pid ${pid})`).join(", ");
  throw new MillraceError("MR_MOVE_SOURCE", `The system of ${data.path} runs: ${boxes}.`, {
    remedy: "Stop it first.",
  });
}

/** Nobody begins on this machine meanwhile, and nobody runs. */
async function lockSystem(
  data: DataFolder,
  { workers }: SystemDefinition,
): Promise<AsyncDisposable> {
  await refuseRunning(data);
  const names = workers.map(({ name }) => `worker-${name}`);
  return await lockBoxes(data, ["balancer", "gateway", "admin", ...names]);
}

function enginesOf(config: Config, data: DataFolder): Engines {
  const onFatal = (error: Error) => {
    throw error;
  };
  return createEngines({ config, data, clock: systemClock, onFatal, mayBeSealed: true });
}

/** Of a system's queue, for people. */
const whereOf = ({ queue, data }: Config): string =>
  queue === "sqlite:" ? shortPath(resolve(data)) : withoutPassword(queue);

async function sideOf(engines: Engines, config: Config): Promise<Side> {
  const places = await engines.places();
  return {
    queue: await engines.queue(),
    where: whereOf(config),
    workers: () => places.workers(),
    database: (worker) => engines.database(worker),
  };
}

async function targetOf(engines: Engines, config: Config): Promise<Target> {
  const places = await engines.places();
  return {
    ...(await sideOf(engines, config)),
    async another(worker) {
      const place = await places.another(worker);
      return { place, database: await engines.database(worker, place) };
    },
    use: (worker, place) => places.use(worker, place),
  };
}

async function reopen({ output }: Call, config: Config): Promise<ExitCode> {
  const data = await sourceFolder(config);
  await using engines = enginesOf(config, data);
  const queue = await engines.queue();
  const seal = sealOf(queue);
  if (seal?.state !== "moved") {
    throw new MillraceError(
      "MR_MOVE_SOURCE",
      seal === undefined ? "The queue is open." : "A move to this queue is not done.",
      { remedy: "--reopen is for a system that was moved away." },
    );
  }
  await queue.setSeal(undefined);
  if (output.json) output.value({ reopened: withoutPassword(config.queue), was: seal }, 0);
  else output.line(`Open again. What has happened at ${seal.where} since is not here.`);
  return 0;
}

async function tellSurvey(
  { output }: Call,
  config: Config,
  { workers }: SystemDefinition,
): Promise<ExitCode> {
  const data = await sourceFolder(config);
  await using engines = enginesOf(config, data);
  const names = workers.map(({ name }) => name);
  const found = await survey(await sideOf(engines, config), names);
  if (output.json) output.value(found, 0);
  else describeSurvey(output, found);
  return 0;
}

function describeSurvey(output: Output, { events, workers }: Survey): void {
  output.line(`queue  ${counted(events, "event")}`);
  for (const [worker, tables] of Object.entries(workers)) {
    output.line(worker);
    for (const [table, rows] of Object.entries(tables)) output.line(`  ${table}  ${rows}`);
  }
}

function tell({ app, output }: Call, to: Config, moved: Moved): void {
  const { events, workers, left } = moved;
  if (output.json) {
    output.value({ ...moved, queue: withoutPassword(to.queue) }, 0);
  } else {
    const names = Object.keys(workers);
    output.line(
      `Moved: ${counted(events, "event")}, and what ${names.join(", ") || "nobody"} had.`,
    );
    for (const [worker, tables] of Object.entries(workers)) {
      const rows = tables.reduce((sum, table) => sum + table.rows, 0);
      output.line(`  ${worker}  ${counted(tables.length, "table")}, ${counted(rows, "row")}`);
    }
    output.line("Counts and checksums agree. Caches begin empty.");
  }
  for (const worker of left) output.progress(`Not moved: ${worker}, which ${app} does not have.`);
  const [queue, database] = [to.queue, to.database].map(withoutPassword);
  const folder = isInFolder(to) ? ` MILLRACE_DATA='${to.data}'` : "";
  output.progress(
    `Start it there: MILLRACE_QUEUE='${queue}' MILLRACE_DATABASE='${database}'${folder}`,
  );
}

const usage = (message: string, remedy: string): MillraceError =>
  new MillraceError("MR_USAGE", message, { remedy });

/** A line for each part, and on a terminal how far it is. */
class Meter {
  readonly #output: Output;
  readonly #status = new StatusLine();
  #part = "";

  constructor(output: Output) {
    this.#output = output;
  }

  show({ part, done, total }: MoveProgress): void {
    if (part !== this.#part) {
      this.#status.set("");
      this.#output.progress(part);
      this.#part = part;
    }
    if (done === undefined) return;
    const share = total === undefined ? "" : `${progressBar(done / Math.max(1, total))} `;
    const of = total === undefined ? "rows" : `of ${total} events`;
    this.#status.set(`${share}${done} ${of}`);
  }

  end(): void {
    this.#status.set("");
  }
}
