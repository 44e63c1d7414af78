import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { assert, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { QueueEngine } from "../queue/engine.ts";
import { type Seal, sealOf, sealText } from "../queue/seal.ts";
import type { AnyWorker } from "../system/worker.ts";
import { note } from "../worker/audit.ts";
import { hasBookkeeping } from "../worker/tables.ts";
import { type CopiedTable, copyDatabase } from "./copy-database.ts";
import { copyQueue, type Positions } from "./copy-queue.ts";
import { waitingEvents } from "./waiting-events.ts";

/** Queue and databases of a system, on whichever engines. */
export interface Side {
  readonly queue: QueueEngine;
  /** The queue's address, without its password: for people. */
  readonly where: string;
  /** The workers that have a database there. */
  workers(): Promise<readonly string[]>;
  /** The database that a worker uses. */
  database(worker: string): Promise<DatabaseEngine>;
}

/** Where a system goes to. */
export interface Target extends Side {
  /** An empty database, which is in nobody's use; what a former attempt left is gone. */
  another(worker: string): Promise<{ readonly place: string; readonly database: DatabaseEngine }>;
  /** Makes a place the database that a worker uses. */
  use(worker: string, place: string): Promise<void>;
}

export interface MoveParts {
  readonly from: Side;
  readonly to: Target;
  readonly workers: readonly AnyWorker[];
  /** Who calls for it, for the audit. */
  readonly who: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoveProgress) => void;
}

export interface MoveProgress {
  /** What is done at present, such as `moving timelines`. */
  readonly part: string;
  /** Events, or rows, and of how many where that is known. */
  readonly done?: number;
  readonly total?: number;
}

export interface Moved {
  readonly events: number;
  readonly ids: number;
  readonly repeats: number;
  /** Of the queue; each table has its own. */
  readonly checksum: string;
  readonly workers: Readonly<Record<string, readonly CopiedTable[]>>;
  /** Workers with a database that the application no longer has. They stay behind. */
  readonly left: readonly string[];
}

/**
 * Takes a stopped system from its engines to others, which are empty. The source is read, and
 * marked as moved at the end; nothing else of it is changed.
 *
 * ```
 *   seal the target → events → databases, each beside the one in use → use them
 *     → seal the source → unseal the target
 * ```
 *
 * Nothing starts on a sealed queue. So wherever it is broken off, at most one of the two systems
 * can be started, and the same call again brings it to its end.
 *
 * @throws MR_MOVE_SOURCE, MR_MOVE_TARGET: nothing was begun; MR_MOVE_VALUE, MR_MOVE_DIFFERS, and
 *   what engines throw: the target stays sealed
 */
export async function move(parts: MoveParts): Promise<Moved> {
  const { from, to, workers, clock, onProgress } = parts;
  const known = await workersOf(
    from,
    workers.map(({ name }) => name),
  );
  const databases = await openSource(parts);
  await begin(parts);
  const before = await stateOf(from.queue, databases);
  const { applied, ...counts } = await copyQueue({
    from: from.queue,
    to: to.queue,
    applied: before.applied,
    waiting: waitingEvents(databases.values()),
    signal: parts.signal,
    onProgress: (part, done, total) => onProgress({ part, done, total }),
  });
  const tables: Record<string, CopiedTable[]> = {};
  const places = new Map<string, string>();
  for (const { name, database } of workers) {
    const { place, database: fresh } = await to.another(name);
    const part = `moving ${name}`;
    let done = 0;
    onProgress({ part, done });
    tables[name] = await copyDatabase({
      ...{ worker: name, migrations: database.migrations, to: fresh, signal: parts.signal },
      from: databaseOf(databases, name),
      fromQueue: from.queue,
      toQueue: to.queue,
      applied: applied.get(name) ?? new Map(),
      onRows(rows) {
        done += rows;
        onProgress({ part, done });
      },
    });
    const what = { from: from.where, to: to.where };
    await fresh.transaction((tx) => note(tx, fresh, { who: parts.who, did: "move", what }));
    await fresh.close();
    places.set(name, place);
  }
  parts.signal.throwIfAborted();
  onProgress({ part: "opening the target" });
  await refuseChanges(from, databases, before);
  for (const [worker, place] of places) await to.use(worker, place);
  const at = clock.now();
  const { identity } = to.queue;
  await from.queue.setSeal(sealText({ state: "moved", to: identity, where: to.where, at }));
  await to.queue.setSeal(undefined);
  const left = known.filter((name) => !places.has(name));
  return { ...counts, workers: tables, left };
}

/**
 * The workers that have a database at the source: those of the application must all be among them,
 * since one without what it has handled would begin anew.
 *
 * @throws MR_MOVE_SOURCE
 */
export async function workersOf(
  from: Side,
  workers: readonly string[],
): Promise<readonly string[]> {
  const known = await from.workers();
  const missing = workers.filter((name) => !known.includes(name));
  if (missing.length === 0) return known;
  throw new MillraceError(
    "MR_MOVE_SOURCE",
    `There is no database of ${missing.join(", ")} where the system is said to be.`,
    {
      remedy:
        "Say with --from and --data where queue and databases are. Who is new starts there once, before the move.",
    },
  );
}

type Databases = ReadonlyMap<string, DatabaseEngine>;

function databaseOf(databases: Databases, worker: string): DatabaseEngine {
  const database = databases.get(worker);
  assert(database !== undefined, "every worker that is moved has its database open");
  return database;
}

/** The databases to be moved, which belong to this queue and are in nobody's use. */
async function openSource({ from, workers }: MoveParts): Promise<Databases> {
  const databases = new Map<string, DatabaseEngine>();
  for (const { name } of workers) {
    const database = await from.database(name);
    await refuseUnprepared(name, database);
    const [queue] = await database.read<{ identity: string }>(
      "select identity from millrace_queue",
    );
    if (queue !== undefined && queue.identity !== from.queue.identity) {
      throw new MillraceError(
        "MR_QUEUE_IDENTITY",
        `The database of ${name} belongs to another queue than ${from.where}.`,
        { remedy: "Name the queue and the databases that belong together." },
      );
    }
    await refuseRunning(name, database);
    databases.set(name, database);
  }
  return databases;
}

async function refuseUnprepared(worker: string, database: DatabaseEngine): Promise<void> {
  if (await hasBookkeeping(database)) return;
  throw new MillraceError("MR_MOVE_SOURCE", `The database of ${worker} was never used.`, {
    remedy: "Start the system there once, or remove that database.",
  });
}

/** Instances of this machine are known by their locks; those of others by their leases. */
async function refuseRunning(worker: string, database: DatabaseEngine): Promise<void> {
  if (database.dialect.name === "sqlite") return;
  const [living] = await database.read<{ instance: string }>(
    `select instance from millrace_instances where seen_until > ${database.dialect.nowMs} limit 1`,
  );
  if (living === undefined) return;
  throw new MillraceError(
    "MR_MOVE_SOURCE",
    `${worker} runs: its instance ${living.instance} said so moments ago.`,
    { remedy: "Stop the system on every host. What was killed counts as stopped after 3 seconds." },
  );
}

/** Seals the target, once it is known that it may be filled. */
async function begin({ from, to, workers, clock }: MoveParts): Promise<void> {
  const [before, there] = [sealOf(from.queue), sealOf(to.queue)];
  if (to.queue.identity === from.queue.identity) {
    throw new MillraceError("MR_MOVE_TARGET", `${to.where} is where the system is.`, {
      remedy: "Name another place.",
    });
  }
  refuseSealedSource(from, before, to);
  if (to.queue.partitions !== from.queue.partitions) {
    throw new MillraceError(
      "MR_MOVE_TARGET",
      `${to.where} has ${to.queue.partitions} partitions, and ${from.where} ${from.queue.partitions}.`,
      { remedy: "Move to a queue that is not there yet: it is made with as many." },
    );
  }
  if (there?.state === "filling" && there.from === from.queue.identity) {
    if (clock.now() - there.at < limits.moveResumeMs) return;
    throw new MillraceError(
      "MR_MOVE_TARGET",
      `The move to ${to.where} was begun at ${new Date(there.at).toISOString()}: too long ago to go on.`,
      { remedy: "Remove what it has left there, and begin anew." },
    );
  }
  if (there !== undefined || !(await isEmpty(to.queue))) throw notEmpty(to, there);
  const known = await to.workers();
  const taken = workers.find(({ name }) => known.includes(name));
  if (taken !== undefined) {
    throw new MillraceError(
      "MR_MOVE_TARGET",
      `There is a database of ${taken.name} at the target.`,
      {
        remedy: "Move to where there is none, or remove it: docs/move.md says how.",
      },
    );
  }
  const { identity } = from.queue;
  await to.queue.setSeal(sealText({ state: "filling", from: identity, at: clock.now() }));
}

function refuseSealedSource({ where }: Side, seal: Seal | undefined, to: Target): void {
  if (seal === undefined) return;
  const isHalf = seal.state === "filling";
  // Broken off between the two seals: what is left to do is done again.
  if (!isHalf && seal.to === to.queue.identity && sealOf(to.queue) !== undefined) return;
  throw new MillraceError(
    "MR_MOVE_SOURCE",
    isHalf
      ? `A move to ${where} is not done, so that there is nothing whole to be moved.`
      : `The system at ${where} was moved to ${seal.where} at ${new Date(seal.at).toISOString()}.`,
    { remedy: isHalf ? "Bring that move to its end first." : "It goes on there." },
  );
}

async function isEmpty(queue: QueueEngine): Promise<boolean> {
  return [...(await queue.ends()).values()].every((end) => end === 0);
}

const notEmpty = ({ where }: Target, seal: Seal | undefined): MillraceError =>
  new MillraceError(
    "MR_MOVE_TARGET",
    seal?.state === "moved"
      ? `${where} holds a system that was moved to ${seal.where}.`
      : seal?.state === "filling"
        ? `${where} is being filled from another queue.`
        : `There are events in the queue ${where}, or have been.`,
    { remedy: "A move goes to where nothing is. docs/move.md says how to put away what is there." },
  );

async function appliedAt(databases: Databases): Promise<Map<string, Positions>> {
  const applied = new Map<string, Positions>();
  for (const [worker, database] of databases) {
    const rows = await database.read<{ partition: number; position: number }>(
      "select partition, position from millrace_positions order by partition",
    );
    applied.set(worker, new Map(rows.map(({ partition, position }) => [partition, position])));
  }
  return applied;
}

/** Somebody may have begun to work on the source meanwhile, on another host perhaps. */
async function refuseChanges(from: Side, databases: Databases, before: State): Promise<void> {
  for (const [worker, database] of databases) await refuseRunning(worker, database);
  const [is, was] = [await stateOf(from.queue, databases), before].map((state) =>
    JSON.stringify([[...state.ends], [...state.applied].map(([name, at]) => [name, [...at]])]),
  );
  if (is === was) return;
  throw new MillraceError(
    "MR_MOVE_SOURCE",
    `The system at ${from.where} went on while it was moved.`,
    {
      remedy: "Stop it on every host, empty the target, and begin anew.",
    },
  );
}

/** How far everything is: the same for as long as nothing happens. */
interface State {
  readonly ends: Positions;
  readonly applied: ReadonlyMap<string, Positions>;
}

async function stateOf(queue: QueueEngine, databases: Databases): Promise<State> {
  return { ends: await queue.ends(), applied: await appliedAt(databases) };
}
