import type { WorkerCache } from "../cache/cache.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import type { QueryDefinition } from "../system/query.ts";
import { type Validation, validate } from "../system/schema.ts";
import type { AnyWorker } from "../system/worker.ts";
import type { Place } from "./link.ts";
import type { Progress } from "./progress.ts";

export interface QueriesParts {
  readonly definition: AnyWorker;
  readonly database: DatabaseEngine;
  readonly cache: WorkerCache;
  readonly progress: Progress;
  readonly stop: AbortSignal;
}

/** Answers a worker's queries from its cache and its database. */
export class Queries {
  readonly #parts: QueriesParts;

  constructor(parts: QueriesParts) {
    this.#parts = parts;
  }

  /** See `WorkerLink.query`. */
  async run(
    name: string,
    search: string,
    after: readonly Place[],
    signals: readonly AbortSignal[],
  ): Promise<string> {
    const query = this.#find(name);
    const checking = this.#input(query, name, search);
    const input = checking instanceof Promise ? await checking : checking;
    if (after.length > 0) await this.#waitFor(after, AbortSignal.any([...signals]));
    const run = () => this.#read(query, input, signals);
    try {
      if (query.cacheKey === undefined) return JSON.stringify((await run()) ?? null);
      const options = query.cacheMs === undefined ? {} : { ttlMs: query.cacheMs };
      const { text } = await this.#parts.cache.readText(query.cacheKey(input), run, options);
      return text;
    } catch (thrown) {
      if (isMillraceError(thrown)) throw thrown;
      throw new MillraceError("MR_QUERY_FAILED", `The query ${name} failed.`, {
        cause: asError(thrown),
      });
    }
  }

  /** One signal of many costs more than the rest of a hit: it is made where something is read. */
  #read(query: QueryDefinition, input: unknown, signals: readonly AbortSignal[]): Promise<unknown> {
    const { database, stop } = this.#parts;
    return query.run({ input, db: database.reader, signal: AbortSignal.any([...signals, stop]) });
  }

  #find(name: string): QueryDefinition {
    const { definition } = this.#parts;
    const query: QueryDefinition | undefined = Object.hasOwn(definition.queries, name)
      ? definition.queries[name]
      : undefined;
    if (query !== undefined) return query;
    const known = Object.keys(definition.queries).join(", ") || "none";
    throw new MillraceError("MR_QUERY_UNKNOWN", `${definition.name} has no query "${name}".`, {
      remedy: `Its queries: ${known}.`,
    });
  }

  #input(query: QueryDefinition, name: string, search: string): unknown {
    const valid = (checked: Validation<unknown>): unknown => {
      if (checked.faults === undefined) return checked.value;
      throw new MillraceError("MR_INPUT_INVALID", `The input does not fit the query ${name}.`, {
        faults: checked.faults,
      });
    };
    const checking = validate(query.input, inputOf(search));
    return checking instanceof Promise ? checking.then(valid) : valid(checking);
  }

  async #waitFor(after: readonly Place[], signal: AbortSignal): Promise<void> {
    const { definition, progress } = this.#parts;
    for (const place of after) await progress.awaitEffects(definition.name, place, signal);
  }
}

/** A query string as an object: every value a string, or an array where a name comes again. */
function inputOf(search: string): Record<string, string | string[]> {
  const parameters = new URLSearchParams(search);
  const input: [string, string | string[]][] = [...new Set(parameters.keys())].map((name) => {
    const values = parameters.getAll(name);
    return [name, values.length === 1 ? (values[0] ?? "") : values];
  });
  return Object.fromEntries(input);
}
