import type { CacheEngine } from "../cache/engine.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import type { PostgresServer } from "../engines/postgres/server.ts";
import type { Clock } from "../lib/clock.ts";
import { assert } from "../lib/errors.ts";
import { peerToken } from "../lib/http/peer-token.ts";
import { limits } from "../lib/limits.ts";
import type { RateCounter, RateLimit } from "../lib/rate-counter.ts";
import type { QueueEngine } from "../queue/engine.ts";
import { queueSealed, sealOf } from "../queue/seal.ts";
import type { SpanStore } from "../tracing/span-store.ts";
import type { Config } from "./config.ts";
import type { DataFolder } from "./data-folder.ts";
import { filePlaces } from "./database-file.ts";
import type { DatabasePlaces } from "./database-places.ts";
import { withDriver } from "./load-driver.ts";

/**
 * The engines of one process, opened when they are first asked for. The only place that names them:
 * each is imported when its address asks for it, so that a process loads what it uses.
 */
export interface Engines extends AsyncDisposable {
  /** One for the process, whoever asks. */
  queue(): Promise<QueueEngine>;
  /**
   * A connection of its own for each caller, to the place in use unless another is named; of what
   * is in memory, the same for all.
   */
  database(worker: string, place?: string): Promise<DatabaseEngine>;
  /** How many instances of a worker one process is to have: each needs a database of its own. */
  readonly lanes: number;
  /** Where the workers' databases lie. */
  places(): Promise<DatabasePlaces>;
  /** An empty one in memory, for what is thrown away. */
  cache(): Promise<CacheEngine>;
  workerCache(system: string, worker: string): Promise<CacheEngine>;
  /** Counts requests for all gateways together; undefined where each counts for itself. */
  rateCounter(system: string, limit: RateLimit, share: number): Promise<RateCounter | undefined>;
  /** One for the process, whoever asks; this host's own or another's. */
  spans(): Promise<SpanStore>;
  /** The one in the data folder, for whoever serves it to other hosts. */
  ownSpans(): Promise<SpanStore>;
}

export interface EnginesOptions {
  readonly config: Config;
  readonly data: DataFolder;
  readonly clock: Clock;
  /** Called where an engine broke in such a way that the process must end and begin anew. */
  readonly onFatal: (error: Error) => void;
  /** For a move alone, which opens queues that are closed to everybody else. */
  readonly mayBeSealed?: boolean;
}

export function createEngines(options: EnginesOptions): Engines {
  const { config, data, clock } = options;
  const opened: { close(): Promise<void> }[] = [];
  const keep = async <Engine extends { close(): Promise<void> }>(opening: Promise<Engine>) => {
    const engine = await opening;
    opened.push(engine);
    return engine;
  };
  let queue: Promise<QueueEngine> | undefined;
  const inMemory = new Map<string, Promise<DatabaseEngine>>();
  let server: Promise<PostgresServer> | undefined;
  const onServer = () => (server ??= keep(openServer(config, clock)));
  let spans: Promise<SpanStore> | undefined;
  return {
    queue: () => {
      queue ??= keep(openUnsealed(options)).catch((error) => {
        // Whoever asks again may find it.
        queue = undefined;
        throw error;
      });
      return queue;
    },
    async database(worker, place) {
      if (isPostgres(config.database)) {
        const server = await onServer();
        await server.register(worker);
        return await keep(server.open(place ?? (await server.inUse(worker))));
      }
      if (config.database !== "memory:") {
        const file = place ?? (await filePlaces(data).inUse(worker));
        return await keep(openDatabase(config, file, clock));
      }
      const opened = inMemory.get(worker) ?? keep(openDatabase(config, "", clock));
      inMemory.set(worker, opened);
      return await opened;
    },
    // SQLite has one writer at a time, so that more would only wait for each other.
    lanes: isPostgres(config.database) ? Math.min(config.lanes, config.partitions) : 1,
    places: async () => (isPostgres(config.database) ? await onServer() : filePlaces(data)),
    cache: () => keep(openMemoryCache(clock)),
    workerCache: (system, worker) => keep(openCache(config, clock, system, worker)),
    async rateCounter(system, limit, shareOfRequests) {
      if (config.cache === "memory:") return undefined;
      const { openRedisRateCounter } = await loadRedis(
        () => import("../engines/redis/rate-counter.ts"),
      );
      const url = config.cache;
      return await keep(openRedisRateCounter({ url, system, clock, limit, shareOfRequests }));
    },
    spans: () => (spans ??= keep(openSpans(config, data, clock))),
    ownSpans: () => keep(openOwnSpans(data, clock)),
    async [Symbol.asyncDispose]() {
      // The last opened first: nothing is closed under those that use it.
      for (const engine of opened.splice(0).reverse()) await engine.close();
    },
  };
}

export const isPostgres = (address: string): boolean => address.startsWith("postgres://");
export const isNats = (address: string): boolean => /^(nats|tls):/.test(address);

async function openServer({ database }: Config, clock: Clock): Promise<PostgresServer> {
  const load = () => import("../engines/postgres/server.ts");
  const { PostgresServer } = await loadPostgres(load, "MILLRACE_DATABASE");
  return new PostgresServer(database, clock);
}

/** @throws MR_QUEUE_SEALED, and whatever opening it does */
async function openUnsealed(options: EnginesOptions): Promise<QueueEngine> {
  const queue = await openQueue(options);
  const seal = options.mayBeSealed === true ? undefined : sealOf(queue);
  if (seal === undefined) return queue;
  await queue.close();
  throw queueSealed(seal);
}

async function openQueue({ config, data, ...others }: EnginesOptions): Promise<QueueEngine> {
  const { queue, partitions } = config;
  if (queue === "memory:") {
    const { openMemoryQueue } = await import("../engines/memory/queue.ts");
    return openMemoryQueue({ partitions, clock: others.clock });
  }
  if (isNats(queue)) {
    const { openNatsQueue } = await loadNats(() => import("../engines/nats/queue.ts"));
    return await openNatsQueue({ url: queue, partitions, clock: others.clock });
  }
  if (isPostgres(queue)) {
    const load = () => import("../engines/postgres/server.ts");
    const { openQueueAt } = await loadPostgres(load, "MILLRACE_QUEUE");
    return await openQueueAt(queue, { partitions, clock: others.clock });
  }
  assert(queue === "sqlite:", `config.ts let the queue ${queue} pass`);
  const { openSqliteQueue } = await import("../engines/sqlite/queue.ts");
  return await openSqliteQueue({ ...others, folder: data.queue, partitions });
}

async function openDatabase(config: Config, file: string, clock: Clock): Promise<DatabaseEngine> {
  if (config.database === "memory:") {
    const { openMemoryDatabase } = await import("../engines/memory/database.ts");
    return await openMemoryDatabase({ clock });
  }
  assert(config.database === "sqlite:", `config.ts let the database ${config.database} pass`);
  const { openSqliteDatabase } = await import("../engines/sqlite/database.ts");
  return await openSqliteDatabase({ file, clock });
}

async function openCache(
  { cache: url }: Config,
  clock: Clock,
  system: string,
  worker: string,
): Promise<CacheEngine> {
  if (url === "memory:") return await openMemoryCache(clock);
  assert(/^redis(s|\+unix)?:/.test(url), `config.ts let the cache ${url} pass`);
  const { openRedisCache } = await loadRedis(() => import("../engines/redis/cache.ts"));
  return await openRedisCache({ url, system, worker, clock });
}

/** @throws MR_DRIVER_MISSING */
export const loadNats = <Module>(load: () => Promise<Module>): Promise<Module> =>
  withDriver(load, "MILLRACE_QUEUE", "@nats-io/transport-node @nats-io/jetstream");

/** @throws MR_DRIVER_MISSING */
export const loadPostgres = <Module>(
  load: () => Promise<Module>,
  variable: string,
): Promise<Module> => withDriver(load, variable, "pg");

/** @throws MR_DRIVER_MISSING */
export const loadRedis = <Module>(load: () => Promise<Module>): Promise<Module> =>
  withDriver(load, "MILLRACE_CACHE", "@redis/client");

async function openMemoryCache(clock: Clock): Promise<CacheEngine> {
  const { createMemoryCache } = await import("../engines/memory/cache.ts");
  return createMemoryCache({ bytesMax: limits.cacheBytesMax, clock });
}

async function openSpans(config: Config, data: DataFolder, clock: Clock): Promise<SpanStore> {
  if (config.traces === "sqlite:") return await openOwnSpans(data, clock);
  const { openHttpSpanStore } = await import("../engines/http/span-store.ts");
  const token = peerToken(config.clusterSecret, "traces");
  return openHttpSpanStore({ address: config.traces, token });
}

async function openOwnSpans(data: DataFolder, clock: Clock): Promise<SpanStore> {
  const { openSqliteSpanStore } = await import("../engines/sqlite/span-store.ts");
  return await openSqliteSpanStore({ file: data.traces, clock });
}
