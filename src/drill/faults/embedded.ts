import { openWriteLock, type WriteLock } from "../../engines/sqlite/write-lock.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Random } from "../../lib/random.ts";
import type { Fault, FaultSet, Struck } from "../fault.ts";
import { drillTargets, type Target } from "../targets.ts";
import type { Tripwire } from "../tripwire.ts";
import { killAll, oneOf, stopOne, type Victim } from "./processes.ts";

/** What the faults need to know of the system. */
export interface Scene {
  /** The running processes of a kind; of workers, all of them or those of one. */
  victims(kind: "balancer" | "gateway" | "worker", worker?: string): Promise<readonly Victim[]>;
  readonly workerNames: readonly string[];
  /** Files by what they hold; none where an engine is another one than SQLite. */
  readonly queueFile: string | undefined;
  readonly databaseFiles: ReadonlyMap<string, string>;
  /** Whether each instance has its cache in its own memory. */
  readonly isCacheInMemory: boolean;
  /** Absent for applications that have none. */
  readonly tripwire: Tripwire | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** The faults of the boxes, and of engines that are files. */
export function embeddedFaults(scene: Scene): FaultSet {
  const locks: WriteLock[] = [];
  const faults = [
    ...(scene.queueFile === undefined ? [] : queueFaults(scene, scene.queueFile, locks)),
    ...workerFaults(scene),
    ...ofKind(scene, "gateway"),
    ...databaseFaults(scene, locks),
    ...(scene.isCacheInMemory ? [dropCache(scene)] : []),
    ...ofKind(scene, "balancer"),
  ];
  return {
    faults,
    async [Symbol.asyncDispose]() {
      for (const lock of locks) lock[Symbol.dispose]();
    },
  };
}

/** A fault with the words that the table of targets has for it. */
function fault<T extends Target>(
  target: T,
  name: keyof (typeof drillTargets)[T] & string,
  strike: () => Promise<Struck>,
): Fault {
  const texts: Readonly<Record<string, string>> = drillTargets[target];
  return { target, name, says: texts[name] ?? "", strike };
}

function ofKind({ victims, random }: Scene, kind: "gateway" | "balancer"): Fault[] {
  const one = async () => oneOf(await victims(kind), random, kind);
  return [
    fault(kind, "kill", async () => killAll([await one()])),
    fault(kind, "stop", async () => stopOne(await one())),
  ];
}

/** Each gateway has a writer of its own, on a thread; which one appends is anybody's guess. */
function queueFaults(scene: Scene, file: string, locks: WriteLock[]): Fault[] {
  const { victims, random, clock } = scene;
  const lock = openWriteLock(file, clock);
  locks.push(lock);
  const one = async () => oneOf(await victims("gateway"), random, "gateway");
  const withWriter = (struck: Struck): Struck => ({
    ...struck,
    what: `${struck.what}, and the queue's writer in it`,
  });
  return [
    fault("queue", "kill", async () => withWriter(killAll([await one()]))),
    fault("queue", "stop", async () => withWriter(stopOne(await one()))),
    fault("queue", "cut", () => held(lock, "the queue's file")),
  ];
}

function workerFaults({ victims, random, tripwire }: Scene): Fault[] {
  const one = async () => oneOf(await victims("worker"), random, "worker");
  return [
    fault("worker", "kill", async () => killAll([await one()])),
    fault("worker", "stop", async () => stopOne(await one())),
    ...(tripwire === undefined ? [] : [fault("worker", "crash", () => tripwire.set())]),
  ];
}

function databaseFaults({ databaseFiles, random, clock }: Scene, locks: WriteLock[]): Fault[] {
  const opened = [...databaseFiles].map(([worker, file]) => ({
    what: `the database of ${worker}`,
    lock: openWriteLock(file, clock),
  }));
  locks.push(...opened.map(({ lock }) => lock));
  if (opened.length === 0) return [];
  return [
    fault("database", "lock", () => {
      const { what, lock } = oneOf(opened, random, "database");
      return held(lock, what);
    }),
  ];
}

async function held(lock: WriteLock, what: string): Promise<Struck> {
  await lock.take();
  return { what: `write lock on ${what}`, heal: async () => lock.release() };
}

function dropCache({ victims, workerNames, random }: Scene): Fault {
  return fault("cache", "drop", async () => {
    const worker = oneOf(workerNames, random, "worker");
    const { what } = killAll(await victims("worker", worker));
    return { what: `${what}, with the caches of ${worker}` };
  });
}
