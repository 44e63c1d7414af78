import { type DefinitionSite, definitionSite } from "./definition-site.ts";
import type { InputOf, OutputOf, Schema } from "./schema.ts";

export interface EventOptions<S extends Schema> {
  /** The schema of the data; what it returns is what handlers get. */
  readonly data: S;
  /** What orders the events: those with an equal key are handled in the order of acceptance. */
  readonly key: (data: OutputOf<S>) => string;
  /** The version of the data, counted up when the schema changes what is stored; else 1. */
  readonly version?: number;
  /**
   * Steps that bring stored data up to date, by the version that they begin with: `upgrade[1]`
   * makes version 2 of version 1. Each version before today's needs one.
   */
  readonly upgrade?: Upgrades;
  /** One line for the API's documents. */
  readonly description?: string;
  /**
   * Data as people would send it, for the documents and for the first thing to try after a start.
   */
  readonly example?: InputOf<S>;
}

/** Version → the step that makes the next one of it. */
// biome-ignore lint/suspicious/noExplicitAny: each step says itself what its version looked like.
export type Upgrades = Readonly<Record<number, (data: any) => unknown>>;

/** A type of event: its name, the schema of its data, and its key. */
export interface EventDefinition<Type extends string = string, S extends Schema = Schema> {
  readonly kind: "event";
  readonly type: Type;
  readonly data: S;
  readonly key: (data: OutputOf<S>) => string;
  readonly version: number;
  readonly upgrade: Upgrades;
  readonly description: string | undefined;
  readonly example: InputOf<S> | undefined;
  readonly site: DefinitionSite | undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: `key` takes the schema's output, so only `any` stands for every definition.
export type AnyEvent = EventDefinition<string, any>;
export type TypeOf<E extends AnyEvent> = E["type"];
/** The data that a publisher gives. */
export type DataInput<E extends AnyEvent> = InputOf<E["data"]>;
/** The data that a handler gets. */
export type DataOf<E extends AnyEvent> = OutputOf<E["data"]>;

/**
 * Defines a type of event. Mistakes (a bad name, no schema, no key) are told by `defineSystem`, all
 * together.
 *
 * @example
 * const PostPublished = defineEvent("post.published", {
 *   data: z.object({ author: z.string(), text: z.string().max(500) }),
 *   key: (post) => post.author,
 * });
 */
export function defineEvent<const Type extends string, S extends Schema>(
  type: Type,
  options: EventOptions<S>,
): EventDefinition<Type, S> {
  return Object.freeze({
    kind: "event" as const,
    type,
    data: options?.data,
    key: options?.key,
    version: options?.version ?? 1,
    upgrade: options?.upgrade ?? {},
    description: options?.description,
    example: options?.example,
    site: definitionSite(defineEvent),
  });
}
