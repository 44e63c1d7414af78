/** A worker on a workbench: real engines, one process, and all that a test wants to look at. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Kysely } from "kysely";
import {
  type AnyEvent,
  defineDatabase,
  defineEvent,
  defineSystem,
  defineWorker,
  type HandlerDefinition,
  on,
  type Queries,
  type ScheduleDefinition,
  type StartFrom,
} from "millrace";
import { z } from "zod";
import { createCache, type WorkerCache } from "../../src/cache/cache.ts";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { createMemoryQueueData, openMemoryQueue } from "../../src/engines/memory/queue.ts";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { idMaker } from "../../src/lib/ids.ts";
import { type Log, silentLog } from "../../src/lib/log.ts";
import { type Random, systemRandom } from "../../src/lib/random.ts";
import type { QueueEngine, Receipt } from "../../src/queue/engine.ts";
import { createQueue, type Queue } from "../../src/queue/queue.ts";
import { makeEvent } from "../../src/system/make-event.ts";
import { noTracing } from "../../src/tracing/no-tracing.ts";
import type { LineBounds } from "../../src/worker/lines.ts";
import type { LeaseTimes } from "../../src/worker/ownership.ts";
import type { Progress } from "../../src/worker/progress.ts";
import { touchTable } from "../../src/worker/touch-table.ts";
import { createWorker, type Worker } from "../../src/worker/worker.ts";

export interface Tables {
  effects: { seq?: number; id: string; key: string; n: number };
}

export const Counted = defineEvent("thing.counted", {
  data: z.object({ key: z.string(), n: z.number() }),
  key: ({ key }) => key,
});
export const Followed = defineEvent("thing.followed", {
  data: z.object({ key: z.string(), n: z.number() }),
  key: ({ key }) => key,
});

export const effectsDatabase = defineDatabase<Tables>({
  migrations: {
    "001-effects": async (db) => {
      await db.schema
        .createTable("effects")
        .addColumn("seq", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("id", "text", (column) => column.notNull())
        .addColumn("key", "text", (column) => column.notNull())
        .addColumn("n", "integer", (column) => column.notNull())
        .execute();
    },
  },
});

/** Stores what it counts. */
export const store = on<typeof Counted, Tables>(Counted, async (event, { db }) => {
  await db
    .insertInto("effects")
    .values({ id: event.id, ...event.data })
    .execute();
});

export const ignoreFollowed = on<typeof Followed, Tables>(Followed, () => {});

/** Reads and writes numbers by their rows' index: who looks for one has not looked at others. */
export function rowsAt<Name extends string>(seqs: Readonly<Record<Name, number>>) {
  return {
    async read(db: Kysely<Tables>, name: Name): Promise<number> {
      const found = db.selectFrom("effects").select("n").where("seq", "=", seqs[name]);
      return (await found.executeTakeFirstOrThrow()).n;
    },
    write: (db: Kysely<Tables>, name: Name, n: number) =>
      db.updateTable("effects").set({ n }).where("seq", "=", seqs[name]).execute(),
  };
}

/** Whose events it publishes. */
const source = "/bench/test";

export const wait = { timeout: 20_000, interval: 10 };

/** Opens a database of a bench: in a file of its folder. */
type OpenDatabase = (folder: string, file: string, clock: Clock) => Promise<DatabaseEngine>;
let openDatabase: OpenDatabase = (folder, file, clock) =>
  openSqliteDatabase({ file: join(folder, file), clock });

/** Lets the benches of a test file have their databases elsewhere. */
export function useDatabases(open: OpenDatabase): void {
  openDatabase = open;
}

export interface Instance {
  readonly worker: Worker;
  readonly database: DatabaseEngine;
  readonly fatal: Error[];
}

export class Bench implements AsyncDisposable {
  readonly queue: Queue;
  readonly engine: QueueEngine;
  readonly #data: ReturnType<typeof createMemoryQueueData>;
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #ids = idMaker();
  readonly #instances: Instance[] = [];

  private constructor(folder: string, clock: Clock, partitions: number) {
    this.#folder = folder;
    this.#clock = clock;
    this.#data = createMemoryQueueData(partitions, clock);
    this.engine = openMemoryQueue({ data: this.#data, clock });
    this.queue = createQueue(this.engine, { clock });
  }

  /**
   * `above` is where its databases lie: a disk of their own. All that has no clock of its own keeps
   * to `clock`.
   */
  static async open({
    above = tmpdir(),
    clock = systemClock,
    partitions = 4,
  }: {
    readonly above?: string;
    readonly clock?: Clock;
    readonly partitions?: number;
  } = {}): Promise<Bench> {
    return new Bench(await mkdtemp(join(above, "millrace-worker-")), clock, partitions);
  }

  /** The queue has forgotten an id: the next event with it is a new one to the queue. */
  forget(id: string): void {
    this.#data.ids.delete(JSON.stringify([source, id]));
  }

  application(
    handlers: readonly HandlerDefinition<Tables>[],
    options: {
      readonly queries?: Queries<Tables>;
      readonly schedules?: readonly ScheduleDefinition[];
      readonly startFrom?: StartFrom;
    } = {},
  ) {
    const { queries = {}, schedules = [], startFrom = "beginning" } = options;
    const definition = defineWorker("counter", effectsDatabase, {
      ...{ handlers, queries, schedules, startFrom },
    });
    const accepts = [Counted, Followed];
    return { definition, system: defineSystem("bench", { accepts, workers: [definition] }) };
  }

  /** Starts an instance of a worker with these handlers; all share one database file. */
  async start(
    handlers: readonly HandlerDefinition<Tables>[],
    options: {
      readonly instance?: string;
      readonly queries?: Queries<Tables>;
      readonly schedules?: readonly ScheduleDefinition[];
      readonly log?: Log;
      readonly clock?: Clock;
      readonly random?: Random;
      readonly queue?: Queue;
      /** What stands between the instance and its database. */
      readonly around?: (database: DatabaseEngine) => DatabaseEngine;
      readonly aroundCache?: (cache: WorkerCache) => WorkerCache;
      readonly lineBounds?: LineBounds;
      readonly progress?: Progress;
      readonly inboxMs?: number;
      readonly run?: string;
      readonly leaseTimes?: LeaseTimes;
      readonly startFrom?: StartFrom;
      /** The database's file, in the bench's folder. */
      readonly file?: string;
    } = {},
  ): Promise<Instance> {
    const { system, definition } = this.application(handlers, options);
    const { around = (database) => database, clock = this.#clock } = options;
    const { aroundCache = (cache) => cache } = options;
    const database = around(await this.openDatabase(options.file ?? "database.db"));
    const cache = createCache({
      engine: createMemoryCache({ bytesMax: 1_000_000, clock: this.#clock }),
      touches: touchTable(database),
      clock: this.#clock,
      ttlMs: 60_000,
    });
    const fatal: Error[] = [];
    const worker = createWorker({
      system,
      definition,
      instance: options.instance ?? "counter 1",
      version: "bench 1.0.0",
      queue: options.queue ?? this.queue,
      database,
      cache: aroundCache(cache),
      tracing: noTracing,
      clock,
      random: options.random ?? systemRandom,
      log: options.log ?? silentLog,
      onFatal: (error) => fatal.push(error),
      ...(options.lineBounds === undefined ? {} : { lineBounds: options.lineBounds }),
      ...(options.progress === undefined ? {} : { progress: options.progress }),
      ...(options.inboxMs === undefined ? {} : { inboxMs: options.inboxMs }),
      ...(options.leaseTimes === undefined ? {} : { leaseTimes: options.leaseTimes }),
      ...(options.run === undefined ? {} : { run: options.run }),
    });
    await worker.start();
    const instance = { worker, database, fatal };
    this.#instances.push(instance);
    return instance;
  }

  openDatabase(file: string): Promise<DatabaseEngine> {
    return openDatabase(this.#folder, file, this.#clock);
  }

  async publish(
    key: string,
    n: number,
    event: AnyEvent = Counted,
    id = this.#ids(),
    at?: Date,
  ): Promise<Receipt> {
    const record = await makeEvent(
      event,
      { key, n },
      {
        id,
        source,
        time: new Date(0).toISOString(),
        attributes: at === undefined ? {} : { at: at.toISOString() },
      },
    );
    const [receipt] = await this.queue.append([{ event: record }]);
    if (receipt === undefined) throw new Error("the queue gave no receipt");
    return receipt;
  }

  async effects({ database }: Instance): Promise<Required<Tables["effects"]>[]> {
    return await database.read("select seq, id, key, n from effects order by seq");
  }

  /** Whether everything in the queue is behind the worker. */
  async isApplied(database: DatabaseEngine): Promise<boolean> {
    const rows = await database.read<{ partition: number; position: number }>(
      "select partition, position from millrace_positions",
    );
    const positions = new Map(rows.map(({ partition, position }) => [partition, position]));
    const ends = await this.engine.ends();
    return [...ends].every(([partition, end]) => positions.get(partition) === end);
  }

  /** An instance that was killed: nobody waits for it any more. */
  async bury({ worker, database }: Instance): Promise<void> {
    const at = this.#instances.findIndex((one) => one.worker === worker);
    this.#instances.splice(at, 1);
    await database.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { worker, database } of this.#instances) {
      await worker.stop();
      await database.close();
    }
    await this.queue.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
