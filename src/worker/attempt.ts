import type { Kysely } from "kysely";
import type { TransactionView } from "../cache/transaction-view.ts";
import { type Clock, preciseNow } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import { dateOfRfc3339 } from "../lib/rfc3339.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import { readData } from "../system/event-data.ts";
import type { EventRecord, HandledEvent } from "../system/event-record.ts";
import type { HandlerCache, HandlerDefinition } from "../system/handler.ts";
import { Emitter } from "./emitter.ts";
import type { EventTrace } from "./event-trace.ts";
import type { FailedAttempt } from "./outcome.ts";

/** One event on its way through its handler. */
export interface Job {
  readonly queued: QueuedEvent;
  readonly handler: HandlerDefinition;
  /** 1 at the first try. */
  readonly attempt: number;
  /** The attempts before, which failed. */
  readonly history: readonly FailedAttempt[];
  /** It is the head of a line, or behind it. */
  readonly isParked: boolean;
  readonly trace: EventTrace | undefined;
  /** When it is to be delivered, milliseconds since 1970, where that is still to come. */
  readonly dueAt: number | undefined;
  /** What `prepare` made of the event, or what it threw. */
  prepared?: Prepared;
}

export type Prepared = { readonly value: unknown } | { readonly thrown: unknown };

/** What an attempt works in. */
export interface AttemptScope {
  /** What the handler writes with; dead once its savepoint or transaction has ended. */
  readonly db: Kysely<unknown>;
  readonly view: TransactionView;
  readonly source: string;
  readonly clock: Clock;
  readonly stop: AbortSignal;
}

/**
 * The attempt's time is up. The handler may still be running, so its whole transaction must end
 * with it: whoever catches this rolls back, and counts the attempt without running it again.
 */
export class AttemptTimeout extends Error {
  override readonly name = "AttemptTimeout";
  readonly job: Job;
  constructor(job: Job, ms: number) {
    super(`The handler of ${job.queued.event.type} took longer than ${ms} ms.`);
    this.job = job;
  }
}

/** Runs a handler once; what it emitted comes back, what it threw is thrown. */
export async function attempt(job: Job, scope: AttemptScope): Promise<readonly EventRecord[]> {
  const { prepared, handler, queued } = job;
  if (prepared !== undefined && "thrown" in prepared) throw prepared.thrown;
  job.trace?.restart();
  const event = await handledEvent(job);
  const emitter = new Emitter(queued, handler, scope.source, job.trace?.traceparent, scope.clock);
  const work = (signal: AbortSignal) =>
    handler.handle(event, {
      db: scope.db,
      cache: handlerCache(job, scope),
      emit: emitter.emit,
      prepared: prepared?.value,
      signal,
    });
  await withinTime(job, scope, work);
  return await emitter.events();
}

/**
 * Runs the handler's `prepare`, outside any transaction; its failure counts when the event's turn
 * comes.
 */
export async function prepare(
  job: Job,
  reader: Kysely<unknown>,
  scope: Pick<AttemptScope, "clock" | "stop">,
): Promise<void> {
  const { handler } = job;
  if (handler.prepare === undefined) return;
  const run = handler.prepare;
  try {
    const event = await handledEvent(job);
    let value: unknown;
    await withinTime(job, scope, async (signal) => {
      value = await run(event, { db: reader, signal });
    });
    job.prepared = { value };
  } catch (thrown) {
    job.prepared = { thrown };
  }
}

/** The event as the handler sees it: its data as today's version, checked by today's schema. */
async function handledEvent({ queued, handler, attempt }: Job): Promise<HandledEvent> {
  const { event, partition, position } = queued;
  const data = await readData(handler.event, event);
  return {
    id: event.id,
    source: event.source,
    type: event.type,
    key: event.key,
    time: dateOfRfc3339(event.time),
    data,
    attributes: event.attributes,
    partition,
    position,
    attempt,
  };
}

async function withinTime(
  job: Job,
  { clock, stop }: Pick<AttemptScope, "clock" | "stop">,
  work: (signal: AbortSignal) => unknown,
): Promise<void> {
  const ms = job.handler.timeoutMs ?? limits.handlerTimeoutMs;
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stop]);
  let timer: Disposable | undefined;
  const timeUp = new Promise<never>((_, reject) => {
    timer = clock.after(ms, () => {
      const timeout = new AttemptTimeout(job, ms);
      over.abort(timeout);
      reject(timeout);
    });
  });
  try {
    await Promise.race([work(signal), timeUp]);
  } finally {
    timer?.[Symbol.dispose]();
  }
}

function handlerCache({ trace }: Job, { view, clock }: AttemptScope): HandlerCache {
  const touch = (keys: string | readonly string[]) =>
    view.touch(typeof keys === "string" ? [keys] : keys);
  if (trace === undefined) return { get: (key, load) => view.get(key, load), touch };
  return {
    touch,
    async get(key, load) {
      const startMs = preciseNow(clock);
      try {
        return await view.get(key, load);
      } finally {
        trace.lookedUp(startMs, preciseNow(clock));
      }
    },
  };
}
