import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { KeyStore } from "../gateway/auth/key-store.ts";
import { isLoopback } from "../lib/address.ts";
import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { SystemDefinition } from "../system/system.ts";
import { assertAccessSafe, assertPeersKnown } from "./access.ts";
import { loadApplication } from "./application.ts";
import { type Config, type Flags, parseConfig } from "./config.ts";
import { type DataFolder, keysFile, openDataFolder } from "./data-folder.ts";
import { lockBoxes } from "./data-lock.ts";
import { createLog } from "./logging.ts";
import { patiently } from "./patience.ts";
import { keepRetention } from "./retention.ts";
import { refuseUnsafeEngines } from "./safe-engines.ts";
import { parseSelection } from "./selection.ts";
import { Supervisor } from "./supervisor.ts";
import { type BoxPlan, lockNames, planTopology } from "./topology.ts";

export interface StartOptions {
  readonly app: string;
  readonly flags: Flags;
  readonly environment: NodeJS.ProcessEnv;
  /** `--only`. */
  readonly only: string | undefined;
  /** Whether a key that is made because there is none can be shown. */
  readonly mayShowKey: boolean;
  /** What the boxes' processes get in their environment besides ours. */
  readonly boxEnvironment?: Readonly<Record<string, string>>;
  /** Takes all that is logged and written by the boxes, which else goes where our output goes. */
  readonly onOutput?: (text: string) => void;
}

/** A system under supervision. */
export interface StartedSystem {
  readonly system: SystemDefinition;
  readonly config: Config;
  readonly data: DataFolder;
  readonly plans: readonly BoxPlan[];
  readonly supervisor: Supervisor;
  readonly log: Log;
  /** Shown once: the key that was made because there was none. */
  readonly firstKey: string | undefined;
  /** Stops everything in order and gives the data folder back. */
  stop(): Promise<void>;
}

/**
 * Starts the boxes of an application; resolves when all are ready.
 *
 * @param onSupervised called as soon as there is something to stop: from then on a signal can come
 * @throws everything that can be wrong with the configuration, the application and the data folder
 */
export async function startSystem(
  options: StartOptions,
  onSupervised: (supervisor: Supervisor) => void,
): Promise<StartedSystem> {
  const { config } = parseConfig(options.flags, options.environment);
  const selection = parseSelection(options.only);
  refuseMemory(config);
  assertAccessSafe(config);
  const [system, data, log] = await Promise.all([
    loadApplication(options.app),
    openDataFolder(config.data),
    createLog(config, "supervisor", options.onOutput),
  ]);
  // Servers may be starting as well.
  await patiently(() => refuseUnsafeEngines(config, log), { clock: systemClock, log });
  const plans = planTopology(system, config, data, selection);
  refuseFiles(config, plans);
  assertPeersKnown(config, plans);
  const locks = await lockBoxes(data, lockNames(plans));
  const supervisor = new Supervisor({
    plans,
    assignment: {
      app: resolve(options.app),
      data: data.path,
      config,
      workerNames: system.workers.map(({ name }) => name),
      run: randomUUID(),
    },
    clock: systemClock,
    log,
    environment: { ...process.env, ...options.boxEnvironment },
    ...(options.onOutput === undefined ? {} : { onOutput: options.onOutput }),
  });
  onSupervised(supervisor);
  let retention: AsyncDisposable | undefined;
  const stop = async () => {
    await retention?.[Symbol.asyncDispose]();
    await supervisor.stop();
    await locks[Symbol.asyncDispose]();
  };
  try {
    const firstKey = await makeFirstKey(config, data, options.mayShowKey, log);
    await supervisor.start();
    // Whoever has gateways keeps the queue short. Several hosts may: each lets go of what all
    // workers have handled, and what is gone already is gone.
    const gateway = plans.find((plan) => plan.kind === "gateway");
    // A signal may have come before the last box was ready: nothing more begins then.
    if (gateway !== undefined && !supervisor.isStopping) {
      const { workers } = gateway;
      retention = keepRetention({ config, data, workers, clock: systemClock, log });
    }
    return { system, config, data, plans, supervisor, log, firstKey, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Each host would have a queue and databases of its own, and none would see another's. */
function refuseFiles(config: Config, plans: readonly BoxPlan[]): void {
  const { gatewayUrls, workerUrls, queue, database } = config;
  const others = [...gatewayUrls, ...[...workerUrls.values()].flat()];
  if (others.every(({ host }) => isLoopback(host))) return;
  if (!plans.some(({ kind }) => kind === "gateway" || kind === "worker")) return;
  for (const [variable, engine] of Object.entries({ QUEUE: queue, DATABASE: database })) {
    if (engine !== "sqlite:") continue;
    throw new MillraceError(
      "MR_CONFIG_INVALID",
      `MILLRACE_${variable} is a file of this host, which the other hosts do not see.`,
      { remedy: "Set it to a server's address, the same on all hosts." },
    );
  }
}

/** What lives in one process's memory cannot be shared by several. */
function refuseMemory(config: Config): void {
  for (const name of ["queue", "database"] as const) {
    if (config[name] !== "memory:") continue;
    const variable = `MILLRACE_${name.toUpperCase()}`;
    throw new MillraceError(
      "MR_CONFIG_INVALID",
      `${variable} is memory:, which several processes cannot share.`,
      { remedy: `Leave ${variable} away, or use millrace dev, which runs in one process.` },
    );
  }
}

/** G7: where keys are asked for and none was ever made, nobody could get in. */
async function makeFirstKey(
  config: Config,
  data: DataFolder,
  mayShow: boolean,
  log: Log,
): Promise<string | undefined> {
  if (!config.auth.includes("keys")) return undefined;
  const store = await KeyStore.open({ file: keysFile(config, data), clock: systemClock });
  if (store.list().length > 0) return undefined;
  // A file that several hosts have is made on one of them, on purpose.
  if (!mayShow || config.keysFile !== "") {
    log.warn({}, "There is no API key yet. Make one: millrace keys create NAME");
    return undefined;
  }
  const { key } = await store.create({ client: "admin", scopes: ["*"] });
  return key;
}
