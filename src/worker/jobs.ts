import type { Clock } from "../lib/clock.ts";
import { assert } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import { dueAtOf } from "../system/delivery-time.ts";
import type { HandlerDefinition } from "../system/handler.ts";
import type { Tracing } from "../tracing/tracing.ts";
import type { Job } from "./attempt.ts";
import { EventTrace } from "./event-trace.ts";
import { decide, type Outcome, policyOf } from "./outcome.ts";
import type { ParkedEvent } from "./store.ts";

export interface JobsParts {
  readonly worker: string;
  readonly handlers: ReadonlyMap<string, HandlerDefinition>;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly random: Random;
}

/** What there is to do with an event: its handler, the attempt, and what a failure of it means. */
export class Jobs {
  readonly #parts: JobsParts;

  constructor(parts: JobsParts) {
    this.#parts = parts;
  }

  /** `line` is what waits under its key, where it has been parked. */
  of(queued: QueuedEvent, line?: ParkedEvent): Job {
    const { tracing, worker, clock } = this.#parts;
    const handler = this.handlerOf(queued);
    assert(handler !== undefined, `no handler of ${queued.event.type}`);
    return {
      queued,
      handler,
      attempt: (line?.attempts ?? 0) + 1,
      history: line?.history ?? [],
      isParked: line !== undefined,
      trace: EventTrace.of(tracing, worker, queued, clock),
      dueAt: line === undefined ? dueAtOf(queued.event, clock) : undefined,
    };
  }

  handlerOf({ event }: QueuedEvent): HandlerDefinition | undefined {
    return this.#parts.handlers.get(event.type);
  }

  decide({ attempt, handler }: Job, thrown: unknown): Outcome {
    const { clock, random } = this.#parts;
    return decide(thrown, attempt, policyOf(handler), clock.now(), random);
  }
}
