import type { WorkerCache } from "../cache/cache.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import type { QueryDefinition } from "../system/query.ts";
import { validate } from "../system/schema.ts";
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
    signal?: AbortSignal,
  ): Promise<string> {
    const query = this.#find(name);
    const input = await this.#input(query, name, search);
    await this.#waitFor(after, signal);
    const run = () => this.#read(query, input, signal);
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

  #read(query: QueryDefinition, input: unknown, signal?: AbortSignal): Promise<unknown> {
    const { database, stop } = this.#parts;
    const signals = signal === undefined ? stop : AbortSignal.any([signal, stop]);
    return query.run({ input, db: database.reader, signal: signals });
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

  async #input(query: QueryDefinition, name: string, search: string): Promise<unknown> {
    const checking = validate(query.input, inputOf(search));
    const checked = checking instanceof Promise ? await checking : checking;
    if (checked.faults === undefined) return checked.value;
    throw new MillraceError("MR_INPUT_INVALID", `The input does not fit the query ${name}.`, {
      faults: checked.faults,
    });
  }

  async #waitFor(after: readonly Place[], signal?: AbortSignal): Promise<void> {
    const { definition, progress } = this.#parts;
    for (const place of after) await progress.awaitPlace(definition.name, place, signal);
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
