import { limits } from "../lib/limits.ts";
import type { Receipt } from "../queue/engine.ts";
import type { Publication } from "../queue/queue.ts";
import type { EventAttributes } from "../system/event-record.ts";
import {
  formatTraceparent,
  type Hop,
  type TraceContext,
  type Tracing,
} from "../tracing/tracing.ts";

/** The hops of one call's traced events, its first, through the producer. */
export interface EventHops {
  /** The events' turn has come: hop 3 ends, hop 4 begins. */
  handOver(waitMs: number): void;
  end(error: string | undefined, receipts?: readonly Receipt[]): void;
}

interface Traced {
  readonly publications: readonly Publication[];
  readonly hops: EventHops;
}

const noHops: EventHops = { handOver: () => {}, end: () => {} };

/**
 * Gives events the contexts in which they are created, and those that are traced their hops 3 and
 * 4. Of a sampled request these are the first `limits.tracedEventsMax`, however many calls it takes
 * for its events: spans cost more than what they describe, and a stream of lines has no end.
 */
export class EventTracer {
  readonly #tracing: Tracing;
  /** How many events of a sampled request are traced so far, by the request's context. */
  readonly #traced = new WeakMap<TraceContext, number>();

  constructor(tracing: Tracing) {
    this.#tracing = tracing;
  }

  trace(publications: readonly Publication[], context: TraceContext): Traced {
    const untraced = withTraceparent(formatTraceparent({ ...context, sampled: false }));
    if (!context.sampled) return { publications: publications.map(untraced), hops: noHops };
    const count = this.#takeFirst(publications.length, context);
    const creates = publications.slice(0, count).map(({ event }) =>
      this.#tracing.hop("API gateway → event producer", context, {
        name: `create ${event.type}`,
        eventId: event.id,
      }),
    );
    const created = publications.map((one, at) => {
      const create = creates[at];
      return create === undefined
        ? untraced(one)
        : withTraceparent(formatTraceparent(create.context))(one);
    });
    const hops = count === 0 ? noHops : new TracedHops(this.#tracing, created, creates);
    return { publications: created, hops };
  }

  /** How many of the next `count` events of the request are traced. */
  #takeFirst(count: number, request: TraceContext): number {
    const before = this.#traced.get(request) ?? 0;
    const taken = Math.min(count, limits.tracedEventsMax - before);
    this.#traced.set(request, before + taken);
    return taken;
  }
}

/**
 * Gives events a trace context; one that the client gave to the event itself is kept. Events that
 * came with the same attributes share them afterwards too, so that they are written once for all.
 */
function withTraceparent(traceparent: string): (publication: Publication) => Publication {
  let former: EventAttributes | undefined;
  let traced: EventAttributes = {};
  return (publication) => {
    const { event } = publication;
    if (event.attributes.traceparent !== undefined) return publication;
    if (event.attributes !== former) {
      former = event.attributes;
      traced = { ...former, traceparent };
    }
    return { ...publication, event: { ...event, attributes: traced } };
  };
}

class TracedHops implements EventHops {
  readonly #tracing: Tracing;
  readonly #publications: readonly Publication[];
  readonly #creates: readonly Hop[];
  #sends: readonly Hop[] = [];

  constructor(tracing: Tracing, publications: readonly Publication[], creates: readonly Hop[]) {
    this.#tracing = tracing;
    this.#publications = publications;
    this.#creates = creates;
  }

  handOver(waitMs: number): void {
    this.#sends = this.#creates.map((create, at) => {
      const { type = "", id: eventId = "" } = this.#publications[at]?.event ?? {};
      const name = `send ${type}`;
      const send = this.#tracing.hop("event producer → message queue", create.context, {
        name,
        eventId,
      });
      create.end({ waitMs });
      return send;
    });
  }

  end(error: string | undefined, receipts: readonly Receipt[] = []): void {
    // Never handed over: then it is hop 3 that failed.
    const open = this.#sends.length > 0 ? this.#sends : this.#creates;
    for (const [at, hop] of open.entries()) {
      const receipt = receipts[at];
      hop.end({
        ...(error === undefined ? {} : { error }),
        ...(receipt === undefined ? {} : { attributes: placeOf(receipt) }),
      });
    }
  }
}

const placeOf = ({ partition, position, duplicate }: Receipt) => ({
  "messaging.destination.partition.id": String(partition),
  "millrace.position": position,
  "millrace.duplicate": duplicate,
});
