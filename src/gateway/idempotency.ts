import type { FastifyRequest } from "fastify";
import { MillraceError } from "../lib/errors.ts";
import { type EventIds, isStampedId, keyedIds, stampedIds } from "./event-ids.ts";
import { parseIdempotencyKey } from "./request-headers.ts";

/** How the events of one request get their ids, and whether a repeat has to be the same content. */
export interface Identity {
  readonly ids: EventIds;
  readonly isKeyed: boolean;
  /** Lets the same key in again. Must be called once the request is over. */
  release(): void;
}

interface IdentityOptions {
  readonly newId: () => string;
  readonly keyRequired: boolean;
}

/**
 * Decides the ids of a request's events: from its Idempotency-Key, else from the id that the
 * balancer stamped on it, else new ones. Keys under way are known here and in no other gateway; a
 * repeat that lands on another one is caught by the queue, which sees the same ids.
 */
export class Identities {
  readonly #options: IdentityOptions;
  readonly #running = new Set<string>();

  constructor(options: IdentityOptions) {
    this.#options = options;
  }

  /**
   * `otherKey` stands in for the header where a sender has another name for it (`webhook-id`).
   *
   * @throws MR_IDEMPOTENCY_KEY, MR_IDEMPOTENCY_RUNNING
   */
  of(request: FastifyRequest, route: string, otherKey?: string): Identity {
    const { headers, call } = request;
    const key = parseIdempotencyKey(headers["idempotency-key"]) ?? otherKey;
    if (key !== undefined) return this.#keyed(call.client.id, route, key);
    if (this.#options.keyRequired) {
      throw new MillraceError("MR_IDEMPOTENCY_KEY", "The Idempotency-Key is missing.", {
        remedy: "Send a new key with each request, and the same one with its repeats.",
      });
    }
    const { stamp } = call;
    const ids = stamp !== undefined && isStampedId(stamp) ? stampedIds(stamp) : this.#options.newId;
    return { ids, isKeyed: false, release: () => {} };
  }

  #keyed(client: string, route: string, key: string): Identity {
    const running = JSON.stringify([client, route, key]);
    if (this.#running.has(running)) {
      throw new MillraceError("MR_IDEMPOTENCY_RUNNING", "A request with this key is under way.", {
        remedy: "Repeat it in a moment to get its receipt.",
        retryAfterSeconds: 1,
      });
    }
    this.#running.add(running);
    return {
      ids: keyedIds(client, route, key),
      isKeyed: true,
      release: () => this.#running.delete(running),
    };
  }
}
