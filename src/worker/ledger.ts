import type { Clock } from "../lib/clock.ts";
import { MillraceError, unreachable } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { Job } from "./attempt.ts";
import {
  describeFailure,
  type FailedAttempt,
  type Failure,
  failureOf,
  fingerprintOf,
  type Outcome,
} from "./outcome.ts";
import type { DeadLetter, OutboxRow, ParkedEvent } from "./store.ts";
import type { ScheduledEvent } from "./timers.ts";

/**
 * What one transaction will have decided, collected while its handlers run and written in a few
 * statements at its end.
 */
export class Ledger {
  readonly parked: ParkedEvent[] = [];
  readonly unparked: QueuedEvent[] = [];
  readonly dead: DeadLetter[] = [];
  readonly emitted: Omit<OutboxRow, "seq">[] = [];
  readonly done: Job[] = [];
  readonly scheduled: ScheduledEvent[] = [];
  /** Events that were not parked before. */
  readonly #newcomers: QueuedEvent[] = [];
  readonly #clock: Clock;
  readonly #version: string;
  readonly #lines: Map<string, number>;

  /** `lines` are keys whose events wait, with the lengths of their lines. */
  constructor(clock: Clock, version: string, lines: ReadonlyMap<string, number> = new Map()) {
    this.#clock = clock;
    this.#version = version;
    this.#lines = new Map(lines);
  }

  /** Nothing was decided about any event. */
  get isEmpty(): boolean {
    const decided = [this.done, this.parked, this.dead, this.scheduled];
    return decided.every((events) => events.length === 0);
  }

  /** How many of the partition's events were parked that were not before. */
  joinedIn(partition: number): number {
    return this.#newcomers.filter((queued) => queued.partition === partition).length;
  }

  /** Keys whose events wait, as far as this transaction has met them. */
  get lineCount(): number {
    return this.#lines.size;
  }

  /** Whether the head of a line stays where it is. */
  isWaiting({ partition, position }: QueuedEvent): boolean {
    return this.parked.some((line) => line.partition === partition && line.position === position);
  }

  /** Partition → by how much its lines have grown or shrunk. */
  growth(): Map<number, number> {
    const growth = new Map<number, number>();
    const grow = ({ partition }: QueuedEvent, by: number) =>
      growth.set(partition, (growth.get(partition) ?? 0) + by);
    for (const queued of this.#newcomers) grow(queued, 1);
    for (const queued of this.unparked) grow(queued, -1);
    return growth;
  }

  /** How many events wait in the line of a key, a held dead letter included; 0 where none does. */
  lineOf(key: string): number {
    return this.#lines.get(key) ?? 0;
  }

  /** The earliest time that this transaction has set for an event; Infinity where it set none. */
  get nextDueAt(): number {
    const attempts = this.parked.map(({ nextAt }) => nextAt ?? Number.POSITIVE_INFINITY);
    return Math.min(...attempts, ...this.scheduled.map(({ dueAt }) => dueAt));
  }

  /** An event whose time of delivery is still to come. */
  schedule(queued: QueuedEvent, dueAt: number): void {
    this.scheduled.push({ ...place(queued), dueAt });
  }

  /** An event whose key is parked goes to the end of its line. */
  follow(queued: QueuedEvent): void {
    this.#lines.set(queued.event.key, this.lineOf(queued.event.key) + 1);
    this.#newcomers.push(queued);
    this.parked.push({ ...queued, attempts: 0, nextAt: undefined, error: undefined, history: [] });
  }

  /** The head of a line that is tried again at `nextAt`. */
  wait(line: ParkedEvent, nextAt: number): void {
    this.parked.push({ ...line, nextAt });
  }

  /** A parked event whose handler is gone from the application: a person decides about it. */
  orphan(line: ParkedEvent): void {
    const { type } = line.event;
    const gone = new MillraceError("MR_EVENT_UNKNOWN", `This worker no longer handles ${type}.`, {
      remedy: "Bring its handler back and retry it, or discard it.",
    });
    this.unparked.push(line);
    this.#bury(line, line.attempts, failureOf(gone), line.history, false);
  }

  /** The one switch over the closed set of outcomes. */
  settle(job: Job, outcome: Outcome, emitted: readonly EventRecord[]): void {
    const { queued, handler } = job;
    switch (outcome.kind) {
      case "done":
        this.done.push(job);
        for (const event of emitted) this.emitted.push({ partition: queued.partition, event });
        return;
      case "retry":
        this.#lines.set(queued.event.key, 1);
        if (!job.isParked) this.#newcomers.push(queued);
        this.parked.push({
          ...place(queued),
          attempts: outcome.attempts,
          nextAt: outcome.at,
          error: outcome.error,
          history: this.#remember(job, outcome.error),
        });
        return;
      case "dead": {
        const isHeld = handler.whenDead === "hold";
        if (isHeld) this.#lines.set(queued.event.key, 1);
        const history = this.#remember(job, outcome.error);
        this.#bury(queued, outcome.attempts, outcome.error, history, isHeld);
        return;
      }
      default:
        unreachable(outcome);
    }
  }

  #remember({ history }: Job, error: Failure): readonly FailedAttempt[] {
    const last = { at: this.#clock.now(), error: describeFailure(error), version: this.#version };
    return [...history, last].slice(-limits.attemptsPerEventMax);
  }

  #bury(
    queued: QueuedEvent,
    attempts: number,
    error: Failure,
    history: readonly FailedAttempt[],
    isHeld: boolean,
  ): void {
    const fingerprint = fingerprintOf(queued.event.type, error);
    const diedAt = this.#clock.now();
    this.dead.push({ ...place(queued), attempts, error, history, fingerprint, diedAt, isHeld });
  }
}

const place = ({ partition, position, acceptedAt, event }: QueuedEvent): QueuedEvent => ({
  partition,
  position,
  acceptedAt,
  event,
});
