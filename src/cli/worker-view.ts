import { access } from "node:fs/promises";
import type { CacheEngine } from "../cache/engine.ts";
import { systemClock } from "../lib/clock.ts";
import type { QueueEngine } from "../queue/engine.ts";
import { type Flags, parseConfig } from "../runtime/config.ts";
import { existingDataFolder, knownWorkers } from "../runtime/data-folder.ts";
import { createEngines } from "../runtime/engines.ts";
import { type OpenedWorker, unknownWorker } from "../worker/redrive.ts";

export interface OpenedWorkers extends AsyncDisposable {
  readonly workers: readonly OpenedWorker[];
  queue(): Promise<QueueEngine>;
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
  const known = await knownWorkers(data);
  const wanted = name === undefined ? known : known.filter((worker) => worker === name);
  if (name !== undefined && wanted.length === 0) {
    throw unknownWorker(name, known);
  }
  const onFatal = (error: Error) => {
    throw error;
  };
  const engines = createEngines({ config, data, clock: systemClock, onFatal });
  const workers: OpenedWorker[] = [];
  for (const worker of wanted) {
    await access(data.database(worker));
    workers.push({ name: worker, database: await engines.database(worker) });
  }
  return {
    workers,
    queue: () => engines.queue(),
    cache: () => engines.cache(),
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}
