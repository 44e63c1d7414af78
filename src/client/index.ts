import type { AnyEvent, DataInput } from "../system/event.ts";
import type { QueryInput, QueryOutput } from "../system/query.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { AnyWorker } from "../system/worker.ts";
import type {
  EventStatus,
  PublishOptions,
  QueryOptions,
  Receipt,
  Receipts,
  WaitOptions,
} from "./answers.ts";
import { HttpClient } from "./http-client.ts";
import { type ClientOptions, createTransport } from "./transport.ts";

export type {
  EventStatus,
  PublishOptions,
  QueryOptions,
  Receipt,
  Receipts,
  Standing,
  WaitOptions,
} from "./answers.ts";
export { ClientError, type ClientOptions, type Problem } from "./transport.ts";

type AnySystem = SystemDefinition<string, readonly AnyEvent[], readonly AnyWorker[]>;
type Accepted<S extends AnySystem> = S["accepts"][number];
type EventNamed<S extends AnySystem, Type> = Extract<Accepted<S>, { readonly type: Type }>;
type WorkerNamed<S extends AnySystem, Name> = Extract<
  S["workers"][number],
  { readonly name: Name }
>;
type QueriesOf<S extends AnySystem, Name> = WorkerNamed<S, Name>["queries"];
/** A worker without queries that is defined in place has `any`: that is none. */
type QueryNames<S extends AnySystem, Name> = string extends keyof QueriesOf<S, Name>
  ? never
  : keyof QueriesOf<S, Name> & string;

/** A system's API, typed from its definition; the definition itself is not loaded. */
export interface Client<S extends AnySystem> {
  /** Publishes an event. Safe to repeat: the request carries a key, and so do its own repeats. */
  publish<Type extends Accepted<S>["type"]>(
    type: Type,
    data: DataInput<EventNamed<S, Type>>,
    options?: PublishOptions,
  ): Promise<Receipt>;

  /** Publishes many events of a type in one request, in order. */
  publishMany<Type extends Accepted<S>["type"]>(
    type: Type,
    data: Iterable<DataInput<EventNamed<S, Type>>>,
    options?: Pick<PublishOptions, "at" | "idempotencyKey" | "signal">,
  ): Promise<Receipts>;

  /**
   * Cancels an event whose time of delivery is still to come. Rejects with a ClientError,
   * `MR_EVENT_BEGUN`, where it is too late.
   */
  cancel(id: string, options?: { readonly source?: string }): Promise<void>;

  /** Where an event stands at each worker that handles it. */
  event(id: string, options?: { readonly source?: string }): Promise<EventStatus>;

  /** Asks a worker's query. Values of the input travel as text, as the query's schema expects. */
  query<Name extends S["workers"][number]["name"], Query extends QueryNames<S, Name>>(
    worker: Name,
    name: Query,
    input: QueryInput<QueriesOf<S, Name>[Query]>,
    options?: QueryOptions,
  ): Promise<QueryOutput<QueriesOf<S, Name>[Query]>>;

  /**
   * Resolves once every worker that handles the event has applied it. Rejects with a ClientError:
   * `CLIENT_EVENT_DEAD` where a worker gave up on it, `CLIENT_EVENT_CANCELLED` where it was
   * cancelled, `CLIENT_TIMEOUT` after `timeoutMs` (30 s).
   */
  waitFor(event: string | { readonly id: string }, options?: WaitOptions): Promise<EventStatus>;
}

/**
 * A client for browsers and Node, over `fetch`.
 *
 * @example
 * const client = createClient<typeof system>({ url: "http://localhost:8080" });
 * const receipt = await client.publish("post.published", { author: "ada", text: "hello" });
 * const home = await client.query("timelines", "home", { user: "grace" }, { after: receipt });
 */
export function createClient<S extends AnySystem>(options: ClientOptions): Client<S> {
  return new HttpClient(createTransport(options)) as unknown as Client<S>;
}
