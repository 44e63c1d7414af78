import { rm } from "node:fs/promises";
import { createCache } from "../../cache/cache.ts";
import type { CacheEngine } from "../../cache/engine.ts";
import type { DatabaseEngine } from "../../database/engine.ts";
import { assert } from "../../lib/errors.ts";
import { peerToken } from "../../lib/http/peer-token.ts";
import { limits } from "../../lib/limits.ts";
import { systemRandom } from "../../lib/random.ts";
import { createQueue } from "../../queue/queue.ts";
import type { Tracing } from "../../tracing/tracing.ts";
import { Progress } from "../../worker/progress.ts";
import { createWorkerServer } from "../../worker/server.ts";
import { Solitude } from "../../worker/solitude.ts";
import { storeTable } from "../../worker/store-table.ts";
import { touchTable } from "../../worker/touch-table.ts";
import { createWorker } from "../../worker/worker.ts";
import { isPostgres } from "../engines.ts";
import type { WorkerPlan } from "../topology.ts";
import { windowsOf } from "../windows.ts";
import type { BoxContext, StartBox } from "./box.ts";
import { tracingOf } from "./box-tracing.ts";
import { FollowingWorker, type OpenedWorker } from "./following-worker.ts";
import { Lanes } from "./lanes.ts";

/** Starts one instance of a worker service, and its door for the gateways. */
export const startWorker: StartBox<WorkerPlan> = async (plan, context) => {
  const { clock, config, log, engines } = context;
  const [open, tracing, places] = await Promise.all([
    openerOf(plan, context),
    tracingOf(plan.title, context),
    engines.places(),
  ]);
  const worker = new FollowingWorker({
    name: plan.worker,
    currentPlace: () => places.inUse(plan.worker),
    open: (place) => open(place, tracing),
    clock,
    log,
    onFatal: context.fail,
  });
  let isReady = false;
  const door = createWorkerServer({
    link: worker,
    listen: plan.listen,
    token: "host" in plan.listen ? peerToken(config.clusterSecret, "worker") : undefined,
    log,
    isReady: () => isReady,
  });
  await worker.start();
  // Left by a killed predecessor: the lock of this box says that nobody listens there now.
  if ("socketPath" in plan.listen) await rm(plan.listen.socketPath, { force: true });
  await door.start();
  isReady = true;
  return {
    async stop() {
      isReady = false;
      await worker.stop();
      await door.stop();
      await tracing.stop();
    },
  };
};

/** Makes the worker that runs on a database file. */
async function openerOf(plan: WorkerPlan, context: BoxContext) {
  const { clock, config, log, engines } = context;
  const system = await context.application();
  const definition = system.workers.find(({ name }) => name === plan.worker);
  assert(definition !== undefined, `${system.name} has no worker ${plan.worker}`);
  return async (place: string, tracing: Tracing): Promise<OpenedWorker> => {
    const [version, queueEngine] = await Promise.all([context.versions(), engines.queue()]);
    const own = await allOrNone<CacheEngine | DatabaseEngine>([
      engines.workerCache(system.name, plan.worker),
      ...Array.from({ length: engines.lanes }, () => engines.database(plan.worker, place)),
    ]);
    const [cacheEngine, ...databases] = own as [CacheEngine, ...DatabaseEngine[]];
    const [first] = databases;
    assert(first !== undefined, "a worker has a lane");
    const { instance } = plan;
    const shared = {
      // A file's users hold the lock of its folder: nobody else could have their names.
      ...(isPostgres(config.database) ? { run: context.run } : {}),
      ...{ system, definition, version, tracing, clock, log },
      queue: createQueue(queueEngine, { clock }),
      cache: createCache({
        engine: cacheEngine,
        touches: touchTable(first),
        record: storeTable(first),
        clock,
        ttlMs: limits.cacheEntryMs,
      }),
      progress: new Progress(first, clock),
      solitude: new Solitude(),
      random: systemRandom,
      inboxMs: windowsOf(config).inbox,
      onProgress: () => context.progressed(),
      onFatal: context.fail,
    };
    const lanes = databases.map((database, lane) =>
      createWorker({
        ...shared,
        database,
        instance: lane === 0 ? instance : `${instance}.${lane + 1}`,
      }),
    );
    return {
      place,
      worker: new Lanes(lanes),
      async close() {
        await Promise.all(own.map((engine) => engine.close()));
      },
    };
  };
}

/** Opens engines. Where one cannot be, none is left open: all are tried again and again. */
async function allOrNone<Engine extends { close(): Promise<void> }>(
  opening: readonly Promise<Engine>[],
): Promise<Engine[]> {
  const outcomes = await Promise.allSettled(opening);
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  const opened = outcomes.filter((outcome) => outcome.status === "fulfilled");
  const engines = opened.map(({ value }) => value);
  if (failed === undefined) return engines;
  await Promise.all(engines.map((engine) => engine.close()));
  throw failed.reason;
}
