import { createCache } from "../cache/cache.ts";
import type { CacheEngine } from "../cache/engine.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { asError, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { AnyWorker } from "../system/worker.ts";
import { attempt, type Job, prepare } from "./attempt.ts";
import { type Failure, failureOf } from "./outcome.ts";

/** What would come of an attempt. */
export interface DryRun {
  /** Undefined where the handler would succeed. */
  readonly error: Failure | undefined;
  readonly emitted: readonly EventRecord[];
  /** Cache keys that it would touch. */
  readonly touched: readonly string[];
}

export interface DryRunParts {
  readonly system: SystemDefinition;
  readonly worker: AnyWorker;
  readonly database: DatabaseEngine;
  /** An empty one, thrown away afterwards. */
  readonly cache: CacheEngine;
  readonly clock: Clock;
}

/** Thrown through the transaction, so that it is rolled back however the attempt went. */
class RolledBack extends Error {
  readonly emitted: readonly EventRecord[];
  constructor(emitted: readonly EventRecord[]) {
    super("a dry run is rolled back");
    this.emitted = emitted;
  }
}

/**
 * Runs a handler in a transaction that is rolled back. What it does outside of its database, in
 * `prepare` above all, it does for real.
 *
 * @throws MR_EVENT_UNKNOWN where the worker has no handler for the event
 */
export async function dryRun(queued: QueuedEvent, parts: DryRunParts): Promise<DryRun> {
  const { system, worker, database, clock } = parts;
  const handler = worker.handlers.find(({ event }) => event.type === queued.event.type);
  if (handler === undefined) {
    throw new MillraceError("MR_EVENT_UNKNOWN", `${worker.name} handles no ${queued.event.type}.`);
  }
  const cache = createCache({ engine: parts.cache, clock, ttlMs: limits.cacheEntryMs });
  const view = cache.transactionView();
  const stop = new AbortController().signal;
  const source = `/${system.name}/${worker.name}`;
  const job: Job = {
    queued,
    handler,
    attempt: 1,
    history: [],
    isParked: false,
    trace: undefined,
    dueAt: undefined,
  };
  await prepare(job, database.reader, { clock, stop });
  try {
    return await database.transaction(async (tx) => {
      throw new RolledBack(await attempt(job, { db: tx.db, view, source, clock, stop }));
    });
  } catch (thrown) {
    const touched = [...view.touched];
    if (thrown instanceof RolledBack) return { error: undefined, emitted: thrown.emitted, touched };
    return { error: failureOf(asError(thrown)), emitted: [], touched };
  } finally {
    await cache.close();
  }
}
