import type { Clock } from "../lib/clock.ts";
import { asError, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Receipt } from "../queue/engine.ts";
import type { Publication, Queue } from "../queue/queue.ts";
import {
  formatTraceparent,
  type Hop,
  type TraceContext,
  type Tracing,
} from "../tracing/tracing.ts";

export interface ProducerOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly tracing: Tracing;
}

export interface Producer {
  /**
   * Puts events on the queue; the receipts are in their order. The events of one call stay together
   * and in order, and are accepted together or not at all.
   *
   * @throws MR_OVERLOADED where too many wait already; MR_DRAINING after `stop`; MR_QUEUE_UNAVAILABLE
   *   and the queue's other refusals: nothing was accepted
   * @throws MR_RESULT_UNKNOWN: it may have been accepted; the same ids are safe to publish again
   */
  publish(publications: readonly Publication[], context: TraceContext): Promise<Receipt[]>;
  /** Events that wait or are under way. */
  readonly waiting: number;
  /** Takes nothing more, and waits for what was taken. Idempotent. */
  stop(): Promise<void>;
}

/** One call of `publish`, waiting for its turn. */
interface Waiting {
  readonly publications: readonly Publication[];
  readonly bytes: number;
  readonly since: number;
  readonly sends: readonly Hop[];
  readonly resolve: (receipts: Receipt[]) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Puts events on the queue. While one append is under way, what comes waits and goes together in the
 * next one: all of them share its fsync (group commit), so that the rate grows with the load.
 */
export function createProducer(options: ProducerOptions): Producer {
  return new GroupCommit(options);
}

class GroupCommit implements Producer {
  readonly #options: ProducerOptions;
  #line: Waiting[] = [];
  #events = 0;
  #bytes = 0;
  #appending: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: ProducerOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#events;
  }

  async publish(publications: readonly Publication[], context: TraceContext): Promise<Receipt[]> {
    if (publications.length === 0) return [];
    const bytes = sizeOf(publications);
    this.#admit(publications.length, bytes);
    const { publications: traced, sends } = this.#trace(publications, context);
    return await new Promise<Receipt[]>((resolve, reject) => {
      const since = this.#options.clock.monotonic();
      this.#line.push({ publications: traced, bytes, since, sends, resolve, reject });
      this.#events += traced.length;
      this.#bytes += bytes;
      this.#appending ??= this.#appendAll();
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#appending;
  }

  #admit(events: number, bytes: number): void {
    if (this.#isStopped) {
      throw new MillraceError("MR_DRAINING", "This instance is shutting down.", {
        retryAfterSeconds: 1,
      });
    }
    const isTooMuch =
      this.#events + events > limits.appendWaitingEventsMax ||
      this.#bytes + bytes > limits.appendWaitingBytesMax;
    // A single call is bounded by the gateway; alone in the line it is always let in.
    if (!isTooMuch || this.#events === 0) return;
    throw new MillraceError("MR_OVERLOADED", "Too many events wait for the queue.", {
      retryAfterSeconds: 1,
      remedy: "Nothing was accepted; try again a little later.",
    });
  }

  /** Runs while there is a line; one append at a time keeps the order of what was published. */
  async #appendAll(): Promise<void> {
    // Whatever else arrives in this turn of the event loop joins the first append.
    await Promise.resolve();
    while (this.#line.length > 0) {
      this.#refuseStale();
      const batch = this.#takeBatch();
      if (batch.length > 0) await this.#append(batch);
    }
    this.#appending = undefined;
  }

  /** Calls that waited too long for their turn: nothing of them was handed over. */
  #refuseStale(): void {
    const oldest = this.#options.clock.monotonic() - limits.appendTimeoutMs;
    while (this.#line[0] !== undefined && this.#line[0].since < oldest) {
      const stale = this.#line.shift();
      if (stale === undefined) return;
      this.#leave(stale);
      stale.reject(
        new MillraceError("MR_QUEUE_UNAVAILABLE", "The queue did not take the event in time.", {
          retryAfterSeconds: 1,
          remedy: "Nothing was accepted; try again.",
        }),
      );
    }
  }

  #takeBatch(): Waiting[] {
    let events = 0;
    const end = this.#line.findIndex(({ publications }, index) => {
      events += publications.length;
      return index > 0 && events > limits.appendBatchEventsMax;
    });
    return this.#line.splice(0, end < 0 ? this.#line.length : end);
  }

  async #append(batch: readonly Waiting[]): Promise<void> {
    const { clock, queue } = this.#options;
    const publications = batch.flatMap((waiting) => waiting.publications);
    const over = new AbortController();
    try {
      const receipts = await Promise.race([
        queue.append(publications),
        clock.sleep(limits.appendTimeoutMs, over.signal).then(() => {
          throw over.signal.aborted ? new Error("the append was in time") : resultUnknown();
        }),
      ]);
      let next = 0;
      for (const waiting of batch) {
        const end = next + waiting.publications.length;
        for (const send of waiting.sends) send.end();
        this.#leave(waiting);
        waiting.resolve(receipts.slice(next, end));
        next = end;
      }
    } catch (thrown) {
      for (const waiting of batch) {
        this.#leave(waiting);
        waiting.reject(asError(thrown));
      }
    } finally {
      over.abort();
    }
  }

  #leave({ publications, bytes }: Waiting): void {
    this.#events -= publications.length;
    this.#bytes -= bytes;
  }

  /** Hop 3 gives each event the context in which it was created; hop 4 lasts until its receipt. */
  #trace(publications: readonly Publication[], context: TraceContext) {
    const { tracing } = this.#options;
    if (!context.sampled) {
      const traceparent = formatTraceparent(context);
      return { publications: publications.map((p) => withTrace(p, traceparent)), sends: [] };
    }
    const sends: Hop[] = [];
    const traced = publications.map((publication) => {
      const { id: eventId, type } = publication.event;
      const create = tracing.hop("API gateway → event producer", context, {
        name: `create ${type}`,
        eventId,
      });
      const made = withTrace(publication, formatTraceparent(create.context));
      sends.push(
        tracing.hop("event producer → message queue", create.context, {
          name: `send ${type}`,
          eventId,
        }),
      );
      create.end();
      return made;
    });
    return { publications: traced, sends };
  }
}

/** A context that the client gave to the event itself is kept. */
function withTrace(publication: Publication, traceparent: string): Publication {
  const { event } = publication;
  if (event.attributes.traceparent !== undefined) return publication;
  const attributes = { ...event.attributes, traceparent };
  return { ...publication, event: { ...event, attributes } };
}

/** Close enough for a bound: characters, not bytes, and only of what can be long. */
const sizeOf = (publications: readonly Publication[]): number =>
  publications.reduce((sum, { event }) => sum + event.data.length + event.key.length, 0);

const resultUnknown = () =>
  new MillraceError("MR_RESULT_UNKNOWN", "The queue has not answered in time.", {
    retryAfterSeconds: 1,
    remedy: "The same request with the same Idempotency-Key or id is safe to repeat.",
  });
