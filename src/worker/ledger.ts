import type { Clock } from "../lib/clock.ts";
import { MillraceError, unreachable } from "../lib/errors.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { Job } from "./attempt.ts";
import { type Failure, failureOf, fingerprintOf, type Outcome } from "./outcome.ts";
import type { DeadLetter, OutboxRow, ParkedEvent } from "./store.ts";

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
  /** Keys whose events wait in a line from now on. */
  readonly parkedKeys: Set<string>;

  constructor(parkedKeys: Iterable<string> = []) {
    this.parkedKeys = new Set(parkedKeys);
  }

  /** The earliest next attempt that this transaction has set, if any. */
  get nextAttemptAt(): number | undefined {
    const times = this.parked.flatMap(({ nextAt }) => (nextAt === undefined ? [] : [nextAt]));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** An event whose key is parked goes to the end of its line. */
  follow(queued: QueuedEvent): void {
    this.parked.push({ ...queued, attempts: 0, nextAt: undefined, error: undefined });
  }

  /** The head of a line that is tried again at `nextAt`. */
  wait(line: ParkedEvent, nextAt: number): void {
    this.parked.push({ ...line, nextAt });
  }

  /** A parked event whose handler is gone from the application: a person decides about it. */
  orphan(line: ParkedEvent, clock: Clock): void {
    const { type } = line.event;
    const gone = new MillraceError("MR_EVENT_UNKNOWN", `This worker no longer handles ${type}.`, {
      remedy: "Bring its handler back and retry it, or discard it.",
    });
    this.unparked.push(line);
    this.#bury(line, line.attempts, failureOf(gone), clock);
  }

  /** The one switch over the closed set of outcomes. */
  settle(job: Job, outcome: Outcome, emitted: readonly EventRecord[], clock: Clock): void {
    const { queued } = job;
    switch (outcome.kind) {
      case "done":
        this.done.push(job);
        for (const event of emitted) this.emitted.push({ partition: queued.partition, event });
        return;
      case "retry":
        this.parkedKeys.add(queued.event.key);
        this.parked.push({
          ...place(queued),
          attempts: outcome.attempts,
          nextAt: outcome.at,
          error: outcome.error,
        });
        return;
      case "dead":
        this.#bury(queued, outcome.attempts, outcome.error, clock);
        return;
      default:
        unreachable(outcome);
    }
  }

  #bury(queued: QueuedEvent, attempts: number, error: Failure, clock: Clock): void {
    const fingerprint = fingerprintOf(queued.event.type, error);
    this.dead.push({ ...place(queued), attempts, error, fingerprint, diedAt: clock.now() });
  }
}

const place = ({ partition, position, acceptedAt, event }: QueuedEvent): QueuedEvent => ({
  partition,
  position,
  acceptedAt,
  event,
});
