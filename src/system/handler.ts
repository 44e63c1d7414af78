import type { Kysely } from "kysely";
import { type DefinitionSite, definitionSite } from "./definition-site.ts";
import type { AnyEvent, DataInput, DataOf, TypeOf } from "./event.ts";
import type { HandledEvent } from "./event-record.ts";

/** Values that can be cached: what survives JSON. */
export type Cacheable = unknown;

/** A handler's view of its worker's cache. */
export interface HandlerCache {
  /**
   * The cached value of `key`, or what `load` returns, which is cached once the transaction has
   * committed. Concurrent misses of a key load once.
   */
  get<Value extends Cacheable>(key: string, load: () => Promise<Value>): Promise<Value>;
  /**
   * Says that this transaction changes what these keys stand for: no cached value outlives its
   * commit.
   */
  touch(keys: string | readonly string[]): void;
}

/**
 * Emits a follow-up event and returns its id. It is stored in the handler's transaction and put on
 * the queue after the commit, with an id derived from its cause, so that a repeated run emits the
 * same event.
 */
export type Emit<Emitted extends AnyEvent> = <E extends Emitted>(
  event: E,
  data: DataInput<E>,
  options?: EmitOptions,
) => string;

export interface EmitOptions {
  /** Not before this time is it delivered; until then it can be cancelled by its id. */
  readonly at?: Date;
}

/** What a handler gets besides the event. */
export interface HandlerContext<Tables, Emitted extends AnyEvent, Prepared> {
  /** Kysely inside the transaction; unusable after the attempt ends. */
  readonly db: Kysely<Tables>;
  readonly cache: HandlerCache;
  readonly emit: Emit<Emitted>;
  /** What `prepare` returned. */
  readonly prepared: Prepared;
  /** Aborts when the attempt's time is up or the instance must stop. */
  readonly signal: AbortSignal;
}

/** A promise that it returns is awaited; what it resolves to means nothing. */
export type Handler<Tables, E extends AnyEvent, Emitted extends AnyEvent, Prepared> = (
  event: HandledEvent<TypeOf<E>, DataOf<E>>,
  context: HandlerContext<Tables, Emitted, Prepared>,
) => unknown;

/** Slow or outside work, before the transaction: concurrent across keys, at least once. */
export type Prepare<Tables, E extends AnyEvent, Prepared> = (
  event: HandledEvent<TypeOf<E>, DataOf<E>>,
  context: { readonly db: Kysely<Tables>; readonly signal: AbortSignal },
) => Promise<Prepared>;

export interface HandlerOptions<Tables, E extends AnyEvent, Emitted extends AnyEvent, Prepared> {
  /**
   * The events that this handler may emit; emitting another is refused, in types and at run time.
   */
  readonly emits?: readonly Emitted[];
  readonly prepare?: Prepare<Tables, E, Prepared>;
  /** How often a failing event is tried before it is a dead letter: 1 to 100, else 8. */
  readonly attempts?: number;
  /** The pauses between attempts; they double from the first to the longest, with jitter. */
  readonly backoff?: Backoff;
  /** How long one attempt may take, `prepare` included, in milliseconds: else 30,000. */
  readonly timeoutMs?: number;
  /**
   * What becomes of the later events of its key once an event is a dead letter: they go on
   * (`continue`, the default), or wait until a person has retried or discarded it (`hold`).
   */
  readonly whenDead?: WhenDead;
}

export interface Backoff {
  /** Milliseconds: else 200. */
  readonly firstMs?: number;
  /** Milliseconds: else 300,000. */
  readonly maxMs?: number;
}

export type WhenDead = "continue" | "hold";

/** What a handler of many events gets besides them. */
export interface BatchContext<Tables, Emitted extends AnyEvent> {
  /** Kysely inside the transaction; unusable after the attempt ends. */
  readonly db: Kysely<Tables>;
  readonly cache: HandlerCache;
  readonly emit: EmitFrom<Emitted>;
  /** Aborts when the time for all of them is up or the instance must stop. */
  readonly signal: AbortSignal;
}

/** As `Emit`, with the event that is the cause first: it must be one of those handed over. */
export type EmitFrom<Emitted extends AnyEvent> = <E extends Emitted>(
  cause: HandledEvent,
  event: E,
  data: DataInput<E>,
  options?: EmitOptions,
) => string;

/** A promise that it returns is awaited; what it resolves to means nothing. */
export type BatchHandler<Tables, E extends AnyEvent, Emitted extends AnyEvent> = (
  events: readonly HandledEvent<TypeOf<E>, DataOf<E>>[],
  context: BatchContext<Tables, Emitted>,
) => unknown;

export type BatchOptions<Tables, E extends AnyEvent, Emitted extends AnyEvent> = Omit<
  HandlerOptions<Tables, E, Emitted, undefined>,
  "prepare"
>;

/** What a worker does with one type of event. */
export interface HandlerDefinition<Tables = unknown> {
  readonly kind: "handler";
  readonly event: AnyEvent;
  readonly emits: readonly AnyEvent[];
  readonly prepare: Prepare<Tables, AnyEvent, unknown> | undefined;
  readonly handle: Handler<Tables, AnyEvent, AnyEvent, unknown>;
  /** Where it takes many at once; `handle` then does the same for one. */
  readonly handleBatch: BatchHandler<Tables, AnyEvent, AnyEvent> | undefined;
  readonly attempts: number | undefined;
  readonly backoff: Backoff | undefined;
  readonly timeoutMs: number | undefined;
  readonly whenDead: WhenDead;
  readonly site: DefinitionSite | undefined;
}

/**
 * Handles one type of event. What may be emitted stands in `emits`.
 *
 * @example
 * on(PostPublished, { emits: [MentionFound] }, async (event, { db, emit }) => { … })
 */
export function on<E extends AnyEvent, Tables>(
  event: E,
  handle: Handler<Tables, E, never, undefined>,
): HandlerDefinition<Tables>;
export function on<
  E extends AnyEvent,
  Tables,
  Emitted extends AnyEvent = never,
  Prepared = undefined,
>(
  event: E,
  options: HandlerOptions<Tables, E, Emitted, Prepared>,
  handle: Handler<Tables, E, Emitted, Prepared>,
): HandlerDefinition<Tables>;
export function on(
  event: AnyEvent,
  ...rest:
    | [Handler<never, AnyEvent, never, undefined>]
    | [
        HandlerOptions<never, AnyEvent, AnyEvent, unknown>,
        Handler<never, AnyEvent, AnyEvent, unknown>,
      ]
): HandlerDefinition<never> {
  const [options, handle] = rest.length === 1 ? [{}, rest[0]] : rest;
  const { prepare } = options;
  return definition(event, options, { prepare, handle, handleBatch: undefined }, on);
}

/**
 * Handles many events of one type at once, in the order of acceptance: for effects that one
 * statement writes for all of them. They succeed together. Where one fails, everything is undone
 * and each is handed over alone, so that the rest costs a failure nothing.
 *
 * @example
 * onBatch(PostPublished, async (events, { db }) => {
 *   await db.insertInto("posts").values(events.map(({ id, data }) => ({ id, ...data }))).execute();
 * })
 */
export function onBatch<E extends AnyEvent, Tables>(
  event: E,
  handle: BatchHandler<Tables, E, never>,
): HandlerDefinition<Tables>;
export function onBatch<E extends AnyEvent, Tables, Emitted extends AnyEvent = never>(
  event: E,
  options: BatchOptions<Tables, E, Emitted>,
  handle: BatchHandler<Tables, E, Emitted>,
): HandlerDefinition<Tables>;
export function onBatch(
  event: AnyEvent,
  ...rest:
    | [BatchHandler<never, AnyEvent, never>]
    | [BatchOptions<never, AnyEvent, AnyEvent>, BatchHandler<never, AnyEvent, AnyEvent>]
): HandlerDefinition<never> {
  const [options, handleBatch] = rest.length === 1 ? [{}, rest[0]] : rest;
  const handleAny = handleBatch as BatchHandler<never, AnyEvent, AnyEvent>;
  const handle: Handler<never, AnyEvent, AnyEvent, unknown> = (one, context) =>
    handleAny([one], {
      db: context.db,
      cache: context.cache,
      emit: (_cause, ...emitted) => context.emit(...emitted),
      get signal() {
        return context.signal;
      },
    });
  return definition(
    event,
    options,
    { prepare: undefined, handle, handleBatch: handleAny },
    onBatch,
  );
}

function definition(
  event: AnyEvent,
  options: Omit<HandlerOptions<never, AnyEvent, AnyEvent, unknown>, "prepare">,
  how: {
    readonly prepare: HandlerDefinition<never>["prepare"];
    readonly handle: unknown;
    readonly handleBatch: HandlerDefinition<never>["handleBatch"];
  },
  definer: (...parameters: never[]) => unknown,
): HandlerDefinition<never> {
  return Object.freeze({
    kind: "handler" as const,
    event,
    emits: options.emits ?? [],
    prepare: how.prepare,
    handle: how.handle as HandlerDefinition<never>["handle"],
    handleBatch: how.handleBatch,
    attempts: options.attempts,
    backoff: options.backoff,
    timeoutMs: options.timeoutMs,
    whenDead: options.whenDead ?? "continue",
    site: definitionSite(definer),
  });
}
