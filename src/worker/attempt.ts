import type { Kysely } from "kysely";
import type { TransactionView } from "../cache/transaction-view.ts";
import { type Clock, preciseNow } from "../lib/clock.ts";
import { assert } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { dateOfRfc3339 } from "../lib/rfc3339.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { AnyEvent } from "../system/event.ts";
import { readData } from "../system/event-data.ts";
import type { EventRecord, HandledEvent } from "../system/event-record.ts";
import type { Emit, EmitFrom, HandlerCache, HandlerDefinition } from "../system/handler.ts";
import { Emitter } from "./emitter.ts";
import type { EventTrace } from "./event-trace.ts";
import type { FailedAttempt } from "./outcome.ts";
import type { TimeLimits } from "./time-limits.ts";

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
  readonly view: Pick<TransactionView, "get" | "touch">;
  readonly source: string;
  readonly clock: Clock;
  readonly timeLimits: TimeLimits;
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
  const handled = handledEvent(job);
  const event = handled instanceof Promise ? await handled : handled;
  const emitter = new Emitter(queued, handler, scope.source, job.trace?.traceparent, scope.clock);
  await withinTime(job, scope, (time) =>
    handler.handle(event, new Context(job, scope, emitter, time)),
  );
  return emitter.events();
}

/**
 * Hands events to a handler that takes many at once; what it emitted for each of them comes back.
 */
export async function attemptTogether(
  jobs: readonly Job[],
  scope: AttemptScope,
): Promise<readonly (readonly EventRecord[])[]> {
  const [first] = jobs;
  assert(first?.handler.handleBatch !== undefined, "a row of events has one handler for many");
  const { handleBatch } = first.handler;
  const emitters = new Map<HandledEvent, Emitter>();
  for (const job of jobs) {
    job.trace?.restart();
    const handled = handledEvent(job);
    const event = handled instanceof Promise ? await handled : handled;
    const { queued, handler, trace } = job;
    const emitter = new Emitter(queued, handler, scope.source, trace?.traceparent, scope.clock);
    emitters.set(event, emitter);
  }
  const emit: EmitFrom<AnyEvent> = (cause, ...emitted) => {
    const emitter = emitters.get(cause);
    assert(
      emitter !== undefined,
      "an event is emitted because of one of those that were handed over",
    );
    return emitter.emit(...emitted);
  };
  await withinTime(first, scope, (time) =>
    handleBatch([...emitters.keys()], new BatchContext(first, scope, emit, time)),
  );
  return await Promise.all([...emitters.values()].map((emitter) => emitter.events()));
}

/**
 * Runs the handler's `prepare`, outside any transaction; its failure counts when the event's turn
 * comes.
 */
export async function prepare(
  job: Job,
  reader: Kysely<unknown>,
  scope: Pick<AttemptScope, "timeLimits" | "stop">,
): Promise<void> {
  const { handler } = job;
  if (handler.prepare === undefined) return;
  const run = handler.prepare;
  try {
    const event = await handledEvent(job);
    let value: unknown;
    await withinTime(job, scope, async ({ signal }) => {
      value = await run(event, { db: reader, signal });
    });
    job.prepared = { value };
  } catch (thrown) {
    job.prepared = { thrown };
  }
}

/** The event as the handler sees it: its data as today's version, checked by today's schema. */
function handledEvent(job: Job): HandledEvent | Promise<HandledEvent> {
  const data = readData(job.handler.event, job.queued.event);
  return data instanceof Promise
    ? data.then((checked) => withData(job, checked))
    : withData(job, data);
}

function withData({ queued, attempt }: Job, data: unknown): HandledEvent {
  const { event, partition, position } = queued;
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

/**
 * Until when an attempt may take, and the signal that tells of it. That is made when it is asked
 * for: most handlers have no use for it, and it costs more than a write.
 */
class Time {
  readonly #stop: AbortSignal;
  #over: AbortController | undefined;
  #signal: AbortSignal | undefined;

  constructor(stop: AbortSignal) {
    this.#stop = stop;
  }

  get signal(): AbortSignal {
    this.#over ??= new AbortController();
    this.#signal ??= AbortSignal.any([this.#over.signal, this.#stop]);
    return this.#signal;
  }

  end(reason: Error): void {
    this.#over ??= new AbortController();
    this.#over.abort(reason);
  }
}

/** What handlers of both kinds get. */
class Shared {
  readonly db: Kysely<unknown>;
  readonly cache: HandlerCache;
  readonly #time: Time;

  constructor(job: Job, { db, view, clock }: AttemptScope, time: Time) {
    this.db = db;
    this.cache = handlerCache(job, view, clock);
    this.#time = time;
  }

  get signal(): AbortSignal {
    return this.#time.signal;
  }
}

class Context extends Shared {
  readonly emit: Emit<AnyEvent>;
  readonly prepared: unknown;

  constructor(job: Job, scope: AttemptScope, emitter: Emitter, time: Time) {
    super(job, scope, time);
    this.emit = emitter.emit;
    this.prepared = (job.prepared as { readonly value: unknown } | undefined)?.value;
  }
}

class BatchContext extends Shared {
  readonly emit: EmitFrom<AnyEvent>;

  constructor(first: Job, scope: AttemptScope, emit: EmitFrom<AnyEvent>, time: Time) {
    super(first, scope, time);
    this.emit = emit;
  }
}

async function withinTime(
  job: Job,
  { timeLimits, stop }: Pick<AttemptScope, "timeLimits" | "stop">,
  work: (time: Time) => unknown,
): Promise<void> {
  const ms = job.handler.timeoutMs ?? limits.handlerTimeoutMs;
  const time = new Time(stop);
  const working = work(time);
  if (!isPromise(working)) return;
  await timeLimits.within(ms, working, () => {
    const timeout = new AttemptTimeout(job, ms);
    time.end(timeout);
    return timeout;
  });
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === "function";

function handlerCache({ trace }: Job, view: AttemptScope["view"], clock: Clock): HandlerCache {
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
