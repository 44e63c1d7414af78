import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { derivedId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import { deliveryTime } from "../system/delivery-time.ts";
import type { AnyEvent } from "../system/event.ts";
import type { EventAttributes, EventRecord } from "../system/event-record.ts";
import type { Emit, HandlerDefinition } from "../system/handler.ts";
import { makeEvent } from "../system/make-event.ts";

/**
 * Collects what one handler run emits. The ids derive from the cause and the count, so that the
 * same run repeated emits the same events.
 */
export class Emitter {
  readonly #cause: QueuedEvent;
  readonly #handler: HandlerDefinition;
  readonly #source: string;
  readonly #traceparent: string | undefined;
  readonly #clock: Clock;
  readonly #made: (EventRecord | Promise<EventRecord>)[] = [];

  constructor(
    cause: QueuedEvent,
    handler: HandlerDefinition,
    source: string,
    traceparent: string | undefined,
    clock: Clock,
  ) {
    this.#cause = cause;
    this.#handler = handler;
    this.#source = source;
    this.#traceparent = traceparent;
    this.#clock = clock;
  }

  /** The events, once their schemas have agreed. */
  events(): readonly EventRecord[] | Promise<readonly EventRecord[]> {
    return this.#made.length === 0 ? [] : Promise.all(this.#made);
  }

  readonly emit: Emit<AnyEvent> = (event, data, { at } = {}) => {
    this.#check(event);
    const { event: cause, acceptedAt } = this.#cause;
    const index = this.#made.length;
    const id = derivedId(acceptedAt, this.#source, cause.source, cause.id, String(index));
    const made = makeEvent(event, data, {
      id,
      source: this.#source,
      time: new Date(acceptedAt).toISOString(),
      attributes: {
        ...this.#attributes(),
        ...(at === undefined ? {} : { at: deliveryTime(at, this.#clock.now()) }),
      },
    });
    // A schema that refuses later is heard in `events`; nobody listens before.
    if (made instanceof Promise) made.catch(() => {});
    this.#made.push(made);
    return id;
  };

  #attributes(): EventAttributes {
    const { id, attributes } = this.#cause.event;
    const traceparent = this.#traceparent ?? attributes.traceparent;
    return {
      cause: id,
      depth: (attributes.depth ?? 0) + 1,
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }

  #check(event: AnyEvent): void {
    const { type, attributes } = this.#cause.event;
    if (!this.#handler.emits.includes(event)) {
      throw new MillraceError(
        "MR_EMIT_UNDECLARED",
        `The handler of ${type} emitted ${event.type}, which its \`emits\` does not name.`,
        { remedy: `Write on(…, { emits: [${event.type}] }, …).` },
      );
    }
    if ((attributes.depth ?? 0) + 1 > limits.emitDepthMax) {
      throw new MillraceError(
        "MR_EMIT_TOO_DEEP",
        `More than ${limits.emitDepthMax} events have caused each other, the last being ${type}.`,
        { remedy: "Look for handlers that emit in a circle." },
      );
    }
    if (this.#made.length >= limits.emittedPerEventMax) {
      throw new MillraceError(
        "MR_EMIT_TOO_DEEP",
        `The handler of ${type} emitted more than ${limits.emittedPerEventMax} events.`,
      );
    }
  }
}
