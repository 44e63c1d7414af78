import type { Receipt } from "../queue/engine.ts";
import type { Publication } from "../queue/queue.ts";
import {
  formatTraceparent,
  type Hop,
  type TraceContext,
  type Tracing,
} from "../tracing/tracing.ts";

/** The hops of one call's events through the producer. */
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
 * Gives every event the context in which it was created. Where the trace is not sampled that is the
 * request's own, and nothing is recorded: a span costs as much as the rest of the producer.
 */
export function traceEvents(
  tracing: Tracing,
  publications: readonly Publication[],
  context: TraceContext,
): Traced {
  if (!context.sampled) {
    const traceparent = formatTraceparent(context);
    return { publications: publications.map((one) => withTrace(one, traceparent)), hops: noHops };
  }
  const creates = publications.map(({ event }) =>
    tracing.hop("API gateway → event producer", context, {
      name: `create ${event.type}`,
      eventId: event.id,
    }),
  );
  const traced = publications.map((one, at) =>
    withTrace(one, formatTraceparent(creates[at]?.context ?? context)),
  );
  return { publications: traced, hops: new SampledHops(tracing, traced, creates) };
}

/** A context that the client gave to the event itself is kept. */
function withTrace(publication: Publication, traceparent: string): Publication {
  const { event } = publication;
  if (event.attributes.traceparent !== undefined) return publication;
  const attributes = { ...event.attributes, traceparent };
  return { ...publication, event: { ...event, attributes } };
}

class SampledHops implements EventHops {
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
