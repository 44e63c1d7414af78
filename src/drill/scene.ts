import { queueFileOf } from "../engines/sqlite/queue-schema.ts";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import { withoutPassword } from "../lib/text.ts";
import { databaseFile } from "../runtime/database-file.ts";
import { createEngines } from "../runtime/engines.ts";
import type { DrillScene } from "./drill.ts";
import { type ExampleEvents, exampleEvents } from "./example-events.ts";
import type { Fault } from "./fault.ts";
import { embeddedFaults } from "./faults/embedded.ts";
import type { Judge, Readable } from "./judge.ts";
import { Load } from "./load.ts";
import { Readers } from "./readers.ts";
import { RecordedJudge } from "./recorded-judge.ts";
import { type EffectColumn, StandingJudge } from "./standing-judge.ts";
import type { DrilledSystem } from "./system.ts";
import { type Target, targetNames } from "./targets.ts";
import type { Tripwire } from "./tripwire.ts";

export interface SceneOptions {
  readonly system: DrilledSystem;
  readonly target: Target | "all";
  /** Only these of the target's faults. */
  readonly faultNames: readonly string[] | undefined;
  readonly ratePerSecond: number;
  readonly keys: number;
  /**
   * Whether the application records its effects as the drill's own does; else it is judged by where
   * its events stand.
   */
  readonly isRecording: boolean;
  /** For other applications than the drill's own. */
  readonly type?: string;
  readonly effectColumns?: ReadonlyMap<string, { readonly table: string; readonly column: string }>;
  readonly tripwire?: Tripwire;
  /** Those of the engines that run on servers. */
  readonly serverFaults?: readonly Fault[];
  /** Stands in front of the Idempotency-Keys. */
  readonly run: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Brings together what drills a system: its faults, a load that fits it, and a judge. */
export async function openScene(options: SceneOptions): Promise<DrillScene & AsyncDisposable> {
  const { system, clock, random, tripwire } = options;
  const { config, data, definition } = system;
  const workerNames = definition.workers.map(({ name }) => name);
  const examples = options.isRecording
    ? undefined
    : await exampleEvents(definition, options.type, options.keys);
  const engines = createEngines({ config, data, clock, onFatal: () => {} });
  const isFile = { queue: config.queue === "sqlite:", database: config.database === "sqlite:" };
  const databases = new Map<string, Readable>();
  const databaseFiles = new Map<string, string>();
  for (const worker of examples?.workerNames ?? workerNames) {
    databases.set(worker, await engines.database(worker));
    if (isFile.database) databaseFiles.set(worker, await databaseFile(data, worker));
  }
  const set = embeddedFaults({
    victims: (kind, worker) => system.victims(kind, worker),
    workerNames: [...databases.keys()],
    queueFile: isFile.queue ? queueFileOf(data.queue) : undefined,
    databaseFiles,
    isCacheInMemory: config.cache === "memory:",
    tripwire,
    clock,
    random,
  });
  return {
    system: {
      name: definition.name,
      isOwn: system.isOwn,
      queue: withoutPassword(config.queue),
      database: withoutPassword(config.database),
      cache: withoutPassword(config.cache),
    },
    faults: choose([...set.faults, ...(options.serverFaults ?? [])], options),
    isWhole: () => system.isWhole(),
    startLoad: () => loadFor(examples, options),
    judge: (load) => judgeFor(load, databases, isFile.database, options),
    ...(options.isRecording
      ? { readers: (load: Load) => new Readers(system.url, load, { clock, random }) }
      : {}),
    async [Symbol.asyncDispose]() {
      await set[Symbol.asyncDispose]();
      await engines[Symbol.asyncDispose]();
    },
  };
}

function loadFor(examples: ExampleEvents | undefined, options: SceneOptions): Load {
  const names = Array.from({ length: options.keys }, (_, index) => `key-${index + 1}`);
  const { url } = options.system;
  const { clock, ratePerSecond, run, headers } = options;
  const common = { url, clock, ratePerSecond, run, headers };
  return examples === undefined
    ? new Load({ ...common, type: "thing.counted", keys: names, data: (key, n) => ({ key, n }) })
    : new Load({ ...common, type: examples.type, keys: examples.keys, data: examples.data });
}

function judgeFor(
  load: Load,
  databases: ReadonlyMap<string, Readable>,
  isSqlite: boolean,
  { isRecording, effectColumns = new Map(), system, headers, clock }: SceneOptions,
): Judge {
  if (isRecording) return new RecordedJudge(databases);
  const columns = new Map<string, EffectColumn>();
  for (const [worker, column] of effectColumns) {
    columns.set(worker, isSqlite ? { ...column, order: "rowid" } : column);
  }
  return new StandingJudge(
    { url: system.url, headers, databases, effectColumns: columns, clock },
    () => load.published,
  );
}

/** The faults of the target, in their order; of all targets, mixed. */
function choose(faults: readonly Fault[], { target, faultNames, random }: SceneOptions): Fault[] {
  const known = faults.filter((fault) => target === "all" || fault.target === target);
  const unknown = faultNames?.find((wanted) => !known.some(({ name }) => name === wanted));
  if (unknown !== undefined) {
    const names = [...new Set(known.map(({ name }) => name))].join(", ");
    throw new MillraceError("MR_USAGE", `The ${target} drill has no fault "${unknown}" here.`, {
      remedy: names === "" ? "This engine has none." : `It has ${names}.`,
    });
  }
  const chosen = known.filter(({ name }) => faultNames?.includes(name) ?? true);
  if (chosen.length === 0) {
    throw new MillraceError("MR_USAGE", `There is nothing that a ${target} drill can break here.`, {
      remedy: `Drills: ${targetNames.join(", ")}, all.`,
    });
  }
  if (target !== "all") return chosen;
  return chosen
    .map((fault) => ({ fault, place: random.fraction() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ fault }) => fault);
}
