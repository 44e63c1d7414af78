import { type Clock, preciseNow } from "../lib/clock.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import {
  formatTraceparent,
  type Hop,
  isSampled,
  parseTraceparent,
  type Tracing,
} from "../tracing/tracing.ts";

/**
 * The hops of one traced event at one worker. Nothing is recorded before the commit: an attempt
 * that is rolled back leaves no trace of itself.
 */
export class EventTrace {
  readonly #tracing: Tracing;
  readonly #worker: string;
  readonly #queued: QueuedEvent;
  readonly #received: Hop;
  readonly #database: Hop;
  readonly #receivedAt: number;
  #lookUps = 0;
  #lookUpStartMs = 0;
  #lookUpMs = 0;

  private constructor(tracing: Tracing, worker: string, queued: QueuedEvent, nowMs: number) {
    this.#tracing = tracing;
    this.#worker = worker;
    this.#queued = queued;
    this.#receivedAt = nowMs;
    const parent = parseTraceparent(queued.event.attributes.traceparent);
    if (parent === undefined) throw new Error("assertion failed: only traced events come here");
    this.#received = tracing.hop("message queue → worker", parent, {
      ...this.#common(`receive ${queued.event.type}`),
      startMs: Math.min(queued.acceptedAt, nowMs),
    });
    this.#database = tracing.hop("worker → database", this.#received.context, {
      ...this.#common(`process ${queued.event.type}`),
      startMs: nowMs,
    });
  }

  /** A trace for events whose trace is sampled; undefined, at next to no cost, for all others. */
  static of(
    tracing: Tracing,
    worker: string,
    queued: QueuedEvent,
    clock: Clock,
  ): EventTrace | undefined {
    const { traceparent } = queued.event.attributes;
    if (!isSampled(traceparent)) return undefined;
    return new EventTrace(tracing, worker, queued, preciseNow(clock));
  }

  /** The context that emitted events continue. */
  get traceparent(): string {
    return formatTraceparent(this.#database.context);
  }

  /** An attempt begins: what a former one looked up is forgotten with it. */
  restart(): void {
    this.#lookUps = 0;
    this.#lookUpMs = 0;
  }

  lookedUp(startMs: number, endMs: number): void {
    if (this.#lookUps === 0) this.#lookUpStartMs = startMs;
    this.#lookUps += 1;
    this.#lookUpMs += endMs - startMs;
  }

  /** After the commit: records what led to it. */
  committed(nowMs: number, attempt: number): void {
    this.#received.end({
      endMs: this.#receivedAt,
      waitMs: Math.max(0, this.#receivedAt - this.#queued.acceptedAt),
    });
    if (this.#lookUps > 0) {
      this.#tracing
        .hop("worker → cache (look up)", this.#received.context, {
          ...this.#common("cache look up"),
          startMs: this.#lookUpStartMs,
        })
        .end({
          endMs: this.#lookUpStartMs + this.#lookUpMs,
          attributes: { "millrace.cache.requests": this.#lookUps },
        });
    }
    this.#database.end({ endMs: nowMs, attributes: { "millrace.attempt": attempt } });
  }

  /** After the cache let go of the keys that the event touched. */
  refreshed(startMs: number, endMs: number, keys: number): void {
    this.#tracing
      .hop("worker → cache (refresh)", this.#received.context, {
        ...this.#common("cache refresh"),
        startMs,
      })
      .end({ endMs, attributes: { "millrace.cache.keys": keys } });
  }

  #common(name: string) {
    const { id, attributes } = this.#queued.event;
    return { name, eventId: id, depth: attributes.depth ?? 0, worker: this.#worker };
  }
}
