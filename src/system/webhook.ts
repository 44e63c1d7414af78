import { type DefinitionSite, definitionSite } from "./definition-site.ts";
import type { AnyEvent, DataInput } from "./event.ts";

/** Somebody else's HTTP request, as it came. */
export interface WebhookRequest {
  /** Names in lower case; a name that came twice was refused before. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The bytes of the body, untouched: signatures are over these. */
  readonly rawBody: Uint8Array;
}

/** What becomes of a webhook: an event, or nothing (answered 204) where it is of no interest. */
export interface WebhookEvent<E extends AnyEvent = AnyEvent> {
  readonly event: E;
  readonly data: DataInput<E>;
  /** The sender's delivery id: a redelivery with the same id is a duplicate. */
  readonly id?: string;
}

export interface WebhookOptions {
  /** The route at the gateway, such as "/hooks/github". */
  readonly path: string;
  /**
   * The events that `toEvent` makes. What stands here and not in the system's `accepts` can only
   * come in through the webhook, so that nobody publishes it without the signature.
   */
  readonly events?: readonly AnyEvent[];
  /** Checks the signature. False, or an error, answers 401 and nothing is stored. */
  readonly verify: (request: WebhookRequest) => boolean | Promise<boolean>;
  /** Turns the request into an event. `body` is the parsed JSON. */
  readonly toEvent: (
    request: WebhookRequest & { readonly body: unknown },
  ) => WebhookEvent | undefined | Promise<WebhookEvent | undefined>;
  readonly description?: string;
}

export interface WebhookDefinition extends WebhookOptions {
  readonly kind: "webhook";
  readonly site: DefinitionSite | undefined;
}

/** Types the result of `toEvent`: the data must fit the event. */
export const webhookEvent = <E extends AnyEvent>(
  event: E,
  data: DataInput<E>,
  id?: string,
): WebhookEvent<E> => (id === undefined ? { event, data } : { event, data, id });

/** A gateway route that turns somebody else's signed HTTP request into an event. */
export function webhook(options: WebhookOptions): WebhookDefinition {
  return Object.freeze({ kind: "webhook" as const, ...options, site: definitionSite(webhook) });
}
