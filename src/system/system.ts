import { checkSystem } from "./check.ts";
import type { AnyEvent } from "./event.ts";
import type { WebhookDefinition } from "./webhook.ts";
import type { AnyWorker } from "./worker.ts";

export interface SystemOptions<
  Accepts extends readonly AnyEvent[],
  Workers extends readonly AnyWorker[],
> {
  /** The events that clients may publish. */
  readonly accepts: Accepts;
  readonly workers: Workers;
  readonly webhooks?: readonly WebhookDefinition[];
  /**
   * A folder of static files that the gateway serves, as a URL: `new URL("./page/",
   * import.meta.url)`.
   */
  readonly page?: URL;
  readonly description?: string;
}

/** A whole application: what it accepts and who works on it. Plain data; nothing runs yet. */
export interface SystemDefinition<
  Name extends string = string,
  Accepts extends readonly AnyEvent[] = readonly AnyEvent[],
  Workers extends readonly AnyWorker[] = readonly AnyWorker[],
> {
  readonly kind: "system";
  readonly name: Name;
  readonly accepts: Accepts;
  readonly workers: Workers;
  readonly webhooks: readonly WebhookDefinition[];
  readonly page: URL | undefined;
  readonly description: string | undefined;
  /** Every event by type: accepted, handled, or emitted. */
  readonly events: ReadonlyMap<string, AnyEvent>;
}

/**
 * Defines the system. An application's file exports it by default.
 *
 * @throws MillraceError MR_APP_INVALID with every mistake in the application and where it stands
 */
export function defineSystem<
  const Name extends string,
  const Accepts extends readonly AnyEvent[],
  const Workers extends readonly AnyWorker[],
>(name: Name, options: SystemOptions<Accepts, Workers>): SystemDefinition<Name, Accepts, Workers> {
  const webhooks = options.webhooks ?? [];
  const events = checkSystem(name, { ...options, webhooks });
  return Object.freeze({
    kind: "system" as const,
    name,
    accepts: options.accepts,
    workers: options.workers,
    webhooks,
    page: options.page,
    description: options.description,
    events,
  });
}
