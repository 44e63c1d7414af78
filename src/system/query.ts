import type { Kysely } from "kysely";
import { type DefinitionSite, definitionSite } from "./definition-site.ts";
import type { InputOf, OutputOf, Schema } from "./schema.ts";

export interface QueryOptions<S extends Schema> {
  /** The schema of the input. Over HTTP every value arrives as a string (or an array of them). */
  readonly input: S;
  /** Under which key the answer is cached; without it, every query reads the database. */
  readonly cacheKey?: (input: OutputOf<S>) => string;
  /** How long an answer may be cached at most, in milliseconds. */
  readonly cacheMs?: number;
  /** One line for the API's documents. */
  readonly description?: string;
}

export interface QueryContext<Tables, Input> {
  readonly input: Input;
  /** Kysely on a read-only connection. */
  readonly db: Kysely<Tables>;
  readonly signal: AbortSignal;
}

/** A question that a worker answers from its database, through its cache. */
export interface QueryDefinition<Tables = unknown, S extends Schema = Schema, Output = unknown> {
  readonly kind: "query";
  readonly input: S;
  readonly cacheKey: ((input: OutputOf<S>) => string) | undefined;
  readonly cacheMs: number | undefined;
  readonly description: string | undefined;
  readonly run: (context: QueryContext<Tables, OutputOf<S>>) => Promise<Output>;
  readonly site: DefinitionSite | undefined;
}

/** What callers of a query give and get, for the typed client. */
// biome-ignore lint/suspicious/noExplicitAny: Kysely is invariant in the tables.
export type QueryInput<Q> = Q extends QueryDefinition<any, infer S, any> ? InputOf<S> : never;
// biome-ignore lint/suspicious/noExplicitAny: only the output matters here.
export type QueryOutput<Q> = Q extends QueryDefinition<any, any, infer Output> ? Output : never;

/**
 * Defines a query. Its answer must survive JSON.
 *
 * @example
 * query({ input: z.object({ user: z.string() }), cacheKey: ({ user }) => `home:${user}` },
 *   ({ input, db }) => homeOf(db, input.user))
 */
export function query<S extends Schema, Output, Tables>(
  options: QueryOptions<S>,
  run: (context: QueryContext<Tables, OutputOf<S>>) => Promise<Output>,
): QueryDefinition<Tables, S, Output> {
  return Object.freeze({
    kind: "query" as const,
    input: options.input,
    cacheKey: options.cacheKey,
    cacheMs: options.cacheMs,
    description: options.description,
    run,
    site: definitionSite(query),
  });
}
