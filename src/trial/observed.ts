import type { Migration } from "../system/database.ts";
import type { HandledEvent } from "../system/event-record.ts";
import type { HandlerDefinition } from "../system/handler.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { AnyWorker, Handle } from "../system/worker.ts";

/** Beside the application's tables, in each worker's database. */
interface ObservedTables {
  millrace_trial_keys: { key: string; events: number };
  millrace_trial_events: { id: string; source: string; key: string; place: number };
}

/** Sorts behind the migrations of the application. */
const migrationName = "~trial";

/** What fails is tried again soon: a trial is about what comes of it, not about the pauses. */
const backoff = { firstMs: 20, maxMs: 100 };

/**
 * An application that notes what its handlers do, each in its own transaction: which event came as
 * the how manieth of its key. Else it is as it was, but for its name, the pauses between attempts,
 * and what comes by the clock or from outside: schedules and webhooks.
 */
export function observed(system: SystemDefinition, name: string): SystemDefinition {
  const workers = system.workers.map(observedWorker);
  return Object.freeze({ ...system, name, workers, webhooks: [] });
}

function observedWorker(worker: AnyWorker): AnyWorker {
  const migrations = { ...worker.database.migrations, [migrationName]: createTables };
  return Object.freeze({
    ...worker,
    database: Object.freeze({ ...worker.database, migrations }),
    handlers: worker.handlers.map(observedHandler),
    schedules: [],
  });
}

const createTables: Migration = async (db) => {
  await db.schema
    .createTable("millrace_trial_keys")
    .addColumn("key", "text", (column) => column.primaryKey())
    .addColumn("events", "integer", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("millrace_trial_events")
    .addColumn("id", "text", (column) => column.notNull())
    .addColumn("source", "text", (column) => column.notNull())
    .addColumn("key", "text", (column) => column.notNull())
    .addColumn("place", "integer", (column) => column.notNull())
    .execute();
};

function observedHandler(handler: HandlerDefinition): HandlerDefinition {
  const { handle, handleBatch } = handler;
  return Object.freeze({
    ...handler,
    backoff,
    handle: async (event, context) => {
      await note(context.db as Handle<ObservedTables>, event);
      return await handle(event, context);
    },
    handleBatch:
      handleBatch === undefined
        ? undefined
        : async (events, context) => {
            for (const event of events) await note(context.db as Handle<ObservedTables>, event);
            return await handleBatch(events, context);
          },
  } satisfies HandlerDefinition);
}

/** A row with nothing that makes it unique, so that an effect that comes twice shows. */
async function note(db: Handle<ObservedTables>, event: HandledEvent): Promise<void> {
  const { id, source, key } = event;
  const { events: place } = await db
    .insertInto("millrace_trial_keys")
    .values({ key, events: 1 })
    .onConflict((conflict) =>
      conflict
        .column("key")
        .doUpdateSet((row) => ({ events: row("millrace_trial_keys.events", "+", 1) })),
    )
    .returning("events")
    .executeTakeFirstOrThrow();
  await db.insertInto("millrace_trial_events").values({ id, source, key, place }).execute();
}

export interface Handled {
  readonly id: string;
  readonly source: string;
  readonly key: string;
  readonly place: number;
}

/** What the handlers of a worker have noted, each key's in order. */
export const handledEvents =
  "select id, source, key, place from millrace_trial_events order by key, place";
