import type { Kysely } from "kysely";
import type { DatabaseDefinition } from "./database.ts";
import { type DefinitionSite, definitionSite } from "./definition-site.ts";
import type { HandlerDefinition } from "./handler.ts";
import type { QueryDefinition } from "./query.ts";
import type { ScheduleDefinition } from "./schedule.ts";

/** A worker's queries by name. */
export type Queries<Tables> = Readonly<
  // biome-ignore lint/suspicious/noExplicitAny: each query has its own input and output.
  Record<string, QueryDefinition<Tables, any, any>>
>;

export interface WorkerOptions<Tables, Q extends Queries<Tables>> {
  readonly handlers: readonly HandlerDefinition<Tables>[];
  readonly queries?: Q;
  /** Events that come again and again. */
  readonly schedules?: readonly ScheduleDefinition[];
  /**
   * Where the worker begins when it is new: with the oldest event that the queue holds
   * (`beginning`, the default), or with what comes from then on.
   */
  readonly startFrom?: StartFrom;
  /** One line for the API's documents. */
  readonly description?: string;
}

export type StartFrom = "beginning" | "now";

/** A named service with handlers, queries, a database and a cache of its own. */
export interface WorkerDefinition<
  Name extends string = string,
  Tables = unknown,
  Q extends Queries<Tables> = Queries<Tables>,
> {
  readonly kind: "worker";
  readonly name: Name;
  readonly database: DatabaseDefinition<Tables>;
  readonly handlers: readonly HandlerDefinition<Tables>[];
  readonly queries: Q;
  readonly schedules: readonly ScheduleDefinition[];
  readonly startFrom: StartFrom;
  readonly description: string | undefined;
  readonly site: DefinitionSite | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: handlers take the tables' type, so only `any` stands for every worker.
export type AnyWorker = WorkerDefinition<string, any, any>;

/** The handle of Kysely that handlers and queries get. */
export type Handle<Tables> = Kysely<Tables>;

/**
 * Defines a worker service. The database stands before the rest so that its tables are known to the
 * handlers and queries. Mistakes are told by `defineSystem`, all together.
 */
export function defineWorker<
  const Name extends string,
  Tables,
  // biome-ignore lint/complexity/noBannedTypes: a worker without queries has none, not any.
  Q extends Queries<NoInfer<Tables>> = {},
>(
  name: Name,
  database: DatabaseDefinition<Tables>,
  options: WorkerOptions<NoInfer<Tables>, Q>,
): WorkerDefinition<Name, Tables, Q> {
  return Object.freeze({
    kind: "worker" as const,
    name,
    database,
    handlers: options.handlers,
    queries: options.queries ?? ({} as Q),
    schedules: options.schedules ?? [],
    startFrom: options.startFrom ?? "beginning",
    description: options.description,
    site: definitionSite(defineWorker),
  });
}
