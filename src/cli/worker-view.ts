import { userInfo } from "node:os";
import type { CacheEngine } from "../cache/engine.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import type { QueueEngine } from "../queue/engine.ts";
import { type Flags, parseConfig } from "../runtime/config.ts";
import { type DataFolder, existingDataFolder } from "../runtime/data-folder.ts";
import type { DatabasePlaces } from "../runtime/database-places.ts";
import { createEngines, type Engines } from "../runtime/engines.ts";
import { type OpenedWorker, unknownWorker } from "../worker/redrive.ts";
import { hasBookkeeping } from "../worker/tables.ts";

/** Who calls the command line, for the audit. */
export function caller(): string {
  try {
    return `${userInfo().username} (command line)`;
  } catch {
    // Not every user of a container has a name.
    return `user ${process.getuid?.() ?? "unknown"} (command line)`;
  }
}

export interface OpenedWorkers extends AsyncDisposable {
  readonly workers: readonly OpenedWorker[];
  readonly data: DataFolder;
  readonly places: DatabasePlaces;
  queue(): Promise<QueueEngine>;
  /** Another database of a worker than the one in use. */
  open(name: string, place: string): Promise<DatabaseEngine>;
  cache(): Promise<CacheEngine>;
}

/**
 * Opens the databases of a data folder's workers, or of the one that is named. Makes none.
 *
 * @throws MR_DATA_UNUSABLE where there is none; MR_WORKER_UNKNOWN
 */
export async function openWorkers(flags: Flags, name?: string): Promise<OpenedWorkers> {
  const { config } = parseConfig(flags, process.env);
  const data = await existingDataFolder(config.data);
  const onFatal = (error: Error) => {
    throw error;
  };
  const engines = createEngines({ config, data, clock: systemClock, onFatal });
  try {
    const places = await engines.places();
    return {
      data,
      places,
      workers: await startedWorkers(engines, await places.workers(), name),
      open: (worker, place) => engines.database(worker, place),
      queue: () => engines.queue(),
      cache: () => engines.cache(),
      [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
    };
  } catch (thrown) {
    // What is open would keep the process from ending.
    await engines[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** But for those whose first start never came so far: they have done nothing yet to be shown. */
async function startedWorkers(engines: Engines, known: readonly string[], name?: string) {
  const workers: OpenedWorker[] = [];
  for (const worker of known.filter((worker) => name === undefined || worker === name)) {
    const database = await engines.database(worker);
    if (await hasBookkeeping(database)) workers.push({ name: worker, database });
  }
  if (name !== undefined && workers.length === 0) {
    throw known.includes(name) ? notStarted(name) : unknownWorker(name, known);
  }
  return workers;
}

const notStarted = (name: string): MillraceError =>
  new MillraceError("MR_WORKER_UNKNOWN", `${name} has not come through its first start yet.`, {
    remedy: "Start the system; its log says what stands against it.",
  });
