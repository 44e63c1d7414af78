import type { Clock } from "../lib/clock.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Receipt } from "../queue/engine.ts";
import type { Publication, Queue } from "../queue/queue.ts";
import type { TraceContext, Tracing } from "../tracing/tracing.ts";
import { type EventHops, EventTracer } from "./event-hops.ts";

export interface ProducerOptions {
  readonly queue: Pick<Queue, "append" | "gatherShare">;
  readonly clock: Clock;
  readonly tracing: Tracing;
  /** How far apart appends begin under load; the limit where not given. */
  readonly gatherMs?: number;
  /** Runs a task at the end of the loop's turn; tests run it at once. */
  readonly defer?: (task: () => void) => void;
}

export interface Producer {
  /**
   * Puts events on the queue; the receipts are in their order. The events of one call stay together
   * and in order, and are accepted together or not at all.
   *
   * @throws MR_OVERLOADED where too many wait already; MR_DRAINING after `stop`;
   *   MR_QUEUE_UNAVAILABLE and the queue's other refusals: nothing was accepted
   * @throws MR_RESULT_UNKNOWN: it may have been accepted; the same ids are safe to publish again
   */
  publish(publications: readonly Publication[], context: TraceContext): Promise<Receipt[]>;
  /** Events that wait or are under way. */
  readonly waiting: number;
  /** Takes nothing more, and waits until every call has its answer. Idempotent. */
  stop(): Promise<void>;
}

/**
 * One call of `publish`:
 *
 * waiting ──turn comes──▶ handed over ──append settles──▶ answered: receipts, or the queue's error
 *      └──time is up──▶ answered: nothing      └──time is up──▶ answered: result unknown
 *                       was accepted
 */
interface Call {
  readonly publications: readonly Publication[];
  readonly bytes: number;
  /** By the monotonic clock. */
  readonly sinceMs: number;
  readonly hops: EventHops;
  readonly resolve: (receipts: Receipt[]) => void;
  readonly reject: (error: Error) => void;
  answered: boolean;
}

/**
 * Puts events on the queue. While one append is under way, what comes waits and goes together in
 * the next one: all of them share its fsync (group commit), so that the rate grows with the load.
 * There is never more than one append at a time, which keeps the order of what was published.
 */
export function createProducer(options: ProducerOptions): Producer {
  return new GroupCommit(options);
}

class GroupCommit implements Producer {
  readonly #options: ProducerOptions;
  readonly #tracer: EventTracer;
  /** Calls whose turn has not come, oldest first. */
  #line: Call[] = [];
  /** The calls of the append under way; some may have been answered for want of time. */
  #handedOver: readonly Call[] | undefined;
  #events = 0;
  #bytes = 0;
  #unanswered = 0;
  #alarm: Disposable | undefined;
  #isHandingOver = false;
  #handedOverAtMs = Number.NEGATIVE_INFINITY;
  /** Until when the next append had better wait, for the sake of the queue's servers. */
  #gatherUntilMs = Number.NEGATIVE_INFINITY;
  /** Whether several calls shared the last append. */
  #wereTogether = false;
  #isStopped = false;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#tracer = new EventTracer(options.tracing);
  }

  get waiting(): number {
    return this.#events;
  }

  publish(publications: readonly Publication[], context: TraceContext): Promise<Receipt[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Receipt[]>();
    if (publications.length === 0) resolve([]);
    else this.#enter(publications, context, { resolve, reject });
    return promise;
  }

  #enter(
    publications: readonly Publication[],
    context: TraceContext,
    answer: Pick<Call, "resolve" | "reject">,
  ): void {
    const bytes = sizeOf(publications);
    const refusal = this.#refusal(publications.length, bytes);
    if (refusal !== undefined) {
      answer.reject(refusal);
      return;
    }
    const traced = this.#tracer.trace(publications, context);
    this.#line.push({
      publications: traced.publications,
      bytes,
      sinceMs: this.#options.clock.monotonic(),
      hops: traced.hops,
      resolve: answer.resolve,
      reject: answer.reject,
      answered: false,
    });
    this.#events += publications.length;
    this.#bytes += bytes;
    this.#unanswered++;
    this.#handOverSoon();
    this.#setAlarm();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#tellDrained();
    await this.#drained.promise;
  }

  #refusal(events: number, bytes: number): MillraceError | undefined {
    const retryAfterSeconds = 1;
    if (this.#isStopped) {
      return new MillraceError("MR_DRAINING", "This instance is shutting down.", {
        retryAfterSeconds,
      });
    }
    // What one call may bring is bounded before; alone in the line it is always let in.
    const isTooMuch =
      this.#events > 0 &&
      (this.#events + events > limits.appendWaitingEventsMax ||
        this.#bytes + bytes > limits.appendWaitingBytesMax);
    if (!isTooMuch) return undefined;
    return new MillraceError("MR_OVERLOADED", "Too many events wait for the queue.", {
      retryAfterSeconds,
      remedy: "Nothing was accepted; try again a little later.",
    });
  }

  /**
   * Not at once, but at the end of the loop's turn, so that all requests which were read in it
   * share one append. Where several shared the last one, the next also keeps its distance: an
   * append costs a sync and wakes every worker, however many events are in it.
   */
  #handOverSoon(): void {
    if (this.#handedOver !== undefined || this.#isHandingOver || this.#line.length === 0) return;
    this.#isHandingOver = true;
    const begin = () => {
      this.#isHandingOver = false;
      this.#handOver();
    };
    const { clock, defer = setImmediate, gatherMs = limits.appendGatherMs } = this.#options;
    const untilMs = Math.max(this.#handedOverAtMs + gatherMs, this.#gatherUntilMs);
    const leftMs = untilMs - clock.monotonic();
    if (this.#wereTogether && leftMs > 0) clock.after(leftMs, begin);
    else defer(begin);
  }

  #handOver(): void {
    if (this.#handedOver !== undefined || this.#line.length === 0) return;
    const batch = this.#takeBatch();
    this.#handedOver = batch;
    const nowMs = this.#options.clock.monotonic();
    this.#handedOverAtMs = nowMs;
    this.#wereTogether = batch.length > 1;
    for (const { hops, sinceMs } of batch) hops.handOver(nowMs - sinceMs);
    const publications = batch.flatMap((call) => call.publications);
    this.#options.queue.append(publications).then(
      (receipts) => this.#settle(batch, receipts),
      (thrown: unknown) => this.#settle(batch, asError(thrown)),
    );
  }

  /** Whole calls, as many as fit; the first one always. */
  #takeBatch(): Call[] {
    let events = 0;
    const end = this.#line.findIndex(({ publications }, index) => {
      events += publications.length;
      return index > 0 && events > limits.appendBatchEventsMax;
    });
    return this.#line.splice(0, end < 0 ? this.#line.length : end);
  }

  #settle(batch: readonly Call[], outcome: readonly Receipt[] | Error): void {
    this.#handedOver = undefined;
    const { clock, queue } = this.#options;
    const nowMs = clock.monotonic();
    // What took long because something failed says nothing about how long to gather.
    const shareMs = (nowMs - this.#handedOverAtMs) * (queue.gatherShare ?? 0);
    this.#gatherUntilMs = nowMs + Math.min(shareMs, limits.appendGatherMaxMs);
    this.#handOverSoon();
    let next = 0;
    for (const call of batch) {
      const first = next;
      next += call.publications.length;
      this.#release(call);
      this.#answer(call, outcome instanceof Error ? outcome : outcome.slice(first, next));
    }
  }

  #answer(call: Call, outcome: Receipt[] | Error): void {
    if (call.answered) return;
    call.answered = true;
    this.#unanswered--;
    if (outcome instanceof Error) {
      call.hops.end(isMillraceError(outcome) ? outcome.code : outcome.name);
      call.reject(outcome);
    } else {
      call.hops.end(undefined, outcome);
      call.resolve(outcome);
    }
    this.#tellDrained();
  }

  /** The call's events are no longer held in memory. */
  #release({ publications, bytes }: Call): void {
    this.#events -= publications.length;
    this.#bytes -= bytes;
  }

  /** One timer for all: it rings for the oldest call, and is set anew for the next. */
  #setAlarm(): void {
    if (this.#alarm !== undefined) return;
    const oldest = this.#handedOver?.find((call) => !call.answered) ?? this.#line[0];
    if (oldest === undefined) return;
    const { clock } = this.#options;
    this.#alarm = clock.after(Math.max(0, deadlineOf(oldest) - clock.monotonic()), () => {
      this.#alarm = undefined;
      this.#expire(clock.monotonic());
      this.#setAlarm();
    });
  }

  #expire(nowMs: number): void {
    for (const call of this.#handedOver ?? []) {
      if (deadlineOf(call) <= nowMs) this.#answer(call, resultUnknown());
    }
    const firstLive = this.#line.findIndex((call) => deadlineOf(call) > nowMs);
    for (const call of this.#line.splice(0, firstLive < 0 ? this.#line.length : firstLive)) {
      this.#release(call);
      this.#answer(call, notTaken());
    }
  }

  #tellDrained(): void {
    if (!this.#isStopped || this.#unanswered > 0) return;
    this.#alarm?.[Symbol.dispose]();
    this.#drained.resolve();
  }
}

const deadlineOf = ({ sinceMs }: Call): number => sinceMs + limits.appendTimeoutMs;

/** Close enough for a bound: characters, and something for the attributes. */
const sizeOf = (publications: readonly Publication[]): number =>
  publications.reduce((sum, { event }) => sum + event.data.length + event.key.length + 256, 0);

const resultUnknown = () =>
  new MillraceError("MR_RESULT_UNKNOWN", "The queue has not answered in time.", {
    retryAfterSeconds: 1,
    remedy: "The same request with the same Idempotency-Key or id is safe to repeat.",
  });

const notTaken = () =>
  new MillraceError("MR_QUEUE_UNAVAILABLE", "The queue did not take the events in time.", {
    retryAfterSeconds: 1,
    remedy: "Nothing was accepted; try again.",
  });
