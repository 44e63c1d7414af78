import type { Clock } from "../lib/clock.ts";
import { assert, MillraceError } from "../lib/errors.ts";
import type { Receipt } from "../queue/engine.ts";
import type { AnyEvent } from "../system/event.ts";
import type { EventRecord } from "../system/event-record.ts";
import { type EventParts, makeEvent } from "../system/make-event.ts";
import type { SystemDefinition } from "../system/system.ts";
import { type Client, mayDo } from "./auth/client.ts";
import type { Call } from "./call.ts";
import { forbidden } from "./guard.ts";
import type { FindsEvents, Publication, Publishes } from "./options.ts";
import { keyReused, refuseReuse } from "./receipts.ts";

/** From checked requests to receipts: what all ways of publishing share. */
export class Publisher {
  /** What plain data has as its source. */
  readonly source: string;
  readonly #accepted: ReadonlyMap<string, AnyEvent>;
  readonly #producer: Publishes;
  readonly #queue: FindsEvents;
  readonly #clock: Clock;
  /** Many requests of one millisecond share the text of their time. */
  #nowMs = -1;
  #nowText = "";

  constructor(system: SystemDefinition, producer: Publishes, queue: FindsEvents, clock: Clock) {
    this.#queue = queue;
    this.source = `/${system.name}/gateway`;
    this.#accepted = new Map(system.accepts.map((event) => [event.type, event]));
    this.#producer = producer;
    this.#clock = clock;
  }

  /**
   * The definition of a type that this client may publish.
   *
   * @throws MR_EVENT_UNKNOWN, MR_FORBIDDEN
   */
  definitionOf(type: string, client: Client): AnyEvent {
    if (!mayDo(client, "events:publish", type)) throw forbidden("events:publish", type);
    const definition = this.#accepted.get(type);
    if (definition !== undefined) return definition;
    throw new MillraceError("MR_EVENT_UNKNOWN", `There is no event type "${type.slice(0, 100)}".`, {
      remedy: `Accepted are: ${[...this.#accepted.keys()].join(", ")}.`,
    });
  }

  /** The time of an event that has none of its own: now, RFC 3339. */
  now(): string {
    const now = this.#clock.now();
    if (now !== this.#nowMs) {
      this.#nowMs = now;
      this.#nowText = new Date(now).toISOString();
    }
    return this.#nowText;
  }

  /**
   * Checks the data. Pointers are into the event, whichever way it came: `#/data/text`.
   *
   * @throws as makeEvent does
   */
  make(
    definition: AnyEvent,
    data: unknown,
    parts: EventParts,
    text?: string,
  ): EventRecord | Promise<EventRecord> {
    try {
      const made = makeEvent(definition, data, parts, text);
      return made instanceof Promise ? made.catch(throwWithinData) : made;
    } catch (error) {
      return throwWithinData(error);
    }
  }

  /**
   * Appends events; when it resolves they are durable.
   *
   * @throws as the producer does, MR_IDEMPOTENCY_REUSED
   */
  async appendAll(publications: readonly Publication[], call: Call): Promise<readonly Receipt[]> {
    await this.#refuseKnown(publications);
    const receipts = await this.#producer.publish(publications, call.trace);
    receipts.forEach((receipt, index) => {
      const publication = publications[index];
      if (publication !== undefined) refuseReuse(publication, receipt);
    });
    return receipts;
  }

  /**
   * Looks before anything is appended, since of several events none may be stored where one is not
   * what its key was used for.
   */
  async #refuseKnown(publications: readonly Publication[]): Promise<void> {
    const seen = new Map<string, string>();
    for (const { event, fingerprint } of publications) {
      if (fingerprint === undefined) continue;
      const name = JSON.stringify([event.source, event.id]);
      const [known] = await this.#queue.find(event.id, event.source);
      const first = seen.get(name) ?? known?.fingerprint;
      if (first !== undefined && first !== fingerprint) throw keyReused();
      seen.set(name, fingerprint);
    }
  }

  /** The same for a single event. */
  async append(publication: Publication, { trace }: Call): Promise<Receipt> {
    const [receipt] = await this.#producer.publish([publication], trace);
    assert(receipt !== undefined, "every event has its receipt");
    refuseReuse(publication, receipt);
    return receipt;
  }
}

function throwWithinData(error: unknown): never {
  if (error instanceof MillraceError) throw error.within("/data");
  throw error;
}
