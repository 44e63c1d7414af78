import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent, QueueEngine } from "../queue/engine.ts";
import { type Deed, type DeedName, note } from "./audit.ts";
import { failureOf, fingerprintOf } from "./outcome.ts";
import { type ParkedEvent, WorkerStore } from "./store.ts";

/** How one partition stands at a worker. */
export interface PartitionStatus {
  readonly partition: number;
  /** Up to here everything is applied, parked, or a dead letter. */
  readonly position: number;
  /** The instance that works on it; undefined where none does. */
  readonly owner: string | undefined;
  readonly isPaused: boolean;
  readonly parkedKeys: number;
  readonly parkedEvents: number;
  /** When the oldest event that waits in a line was accepted; milliseconds since 1970. */
  readonly oldestParkedAt: number | undefined;
  /** Events whose time of delivery is still to come. */
  readonly scheduledEvents: number;
  readonly deadLetters: number;
}

/** An instance that waits as a whole, since something that it needs is broken. */
export interface WaitingInstance {
  readonly instance: string;
  readonly waitingFor: string;
}

/** What becomes of an event that a person has passed over. */
class Skipped extends Error {
  override readonly name = "Skipped";
  constructor() {
    super("A person has passed over this event.");
    this.stack = `${this.name}: ${this.message}`;
  }
}

/**
 * What a person can do about a worker's way through the queue. It is written into the worker's
 * database, where running instances notice it within about a second, and others when they start.
 */
export class Steering {
  readonly #database: DatabaseEngine;
  readonly #store: WorkerStore;
  readonly #who: string;

  /** `who` changes something, for the audit. */
  constructor(database: DatabaseEngine, who = "unknown") {
    this.#database = database;
    this.#who = who;
    this.#store = new WorkerStore(database);
  }

  async status(): Promise<PartitionStatus[]> {
    const { nowMs } = this.#database.dialect;
    const rows = await this.#database.read<{
      partition: number;
      position: number;
      owner: string | null;
      paused: number;
      keys: number;
      events: number;
      oldest: number | null;
      scheduled: number;
      dead: number;
    }>(
      `select p.partition, p.position, p.paused,
         case when p.lease_until >= ${nowMs} or exists (
           select 1 from millrace_instances where instance = p.owner and seen_until >= ${nowMs})
           then p.owner end as owner,
         coalesce(w.keys, 0) as keys, coalesce(w.events, 0) as events, w.oldest,
         coalesce(t.events, 0) as scheduled, coalesce(d.events, 0) as dead
       from millrace_positions as p left join (
         select partition, count(distinct key) as keys, count(*) as events,
           min(accepted_at) as oldest
         from millrace_parked group by partition) as w on w.partition = p.partition
       left join (
         select partition, count(*) as events from millrace_timers where cancelled_at is null
         group by partition) as t on t.partition = p.partition
       left join (
         select partition, count(*) as events from millrace_dead_letters
         group by partition) as d on d.partition = p.partition
       order by p.partition`,
    );
    return rows.map(({ partition, position, ...row }) => ({
      partition,
      position,
      owner: row.owner ?? undefined,
      isPaused: row.paused !== 0,
      parkedKeys: row.keys,
      parkedEvents: row.events,
      oldestParkedAt: row.oldest ?? undefined,
      scheduledEvents: row.scheduled,
      deadLetters: row.dead,
    }));
  }

  /** The instances that wait for something that they need. */
  async waiting(): Promise<WaitingInstance[]> {
    const rows = await this.#database.read<{ instance: string; waiting_for: string }>(
      `select instance, waiting_for from millrace_instances
       where waiting_for is not null and seen_until >= ${this.#database.dialect.nowMs} - $1
       order by instance`,
      [limits.dependencyBackoffMaxMs],
    );
    return rows.map(({ instance, waiting_for }) => ({ instance, waitingFor: waiting_for }));
  }

  /** Stops partitions, their parked events included, or lets them go on. */
  async setPaused(partitions: readonly number[] | "all", isPaused: boolean): Promise<number> {
    const { dialect } = this.#database;
    const all = partitions === "all";
    return await this.#database.transaction(async (tx) => {
      const changed = await tx.run<{ partition: number }>(
        `update millrace_positions set paused = $1 where paused <> $1
         ${all ? "" : `and partition in (select cast(value ->> 0 as bigint) from ${dialect.each("$2")})`}
         returning partition`,
        [
          isPaused ? 1 : 0,
          ...(all ? [] : [JSON.stringify(partitions.map((partition) => [partition]))]),
        ],
      );
      const what = { partitions: changed.map(({ partition }) => partition) };
      if (changed.length > 0) await this.#note(tx, isPaused ? "pause" : "resume", what);
      return changed.length;
    });
  }

  /**
   * Passes over events that stand behind a partition's position `from`: they become dead letters,
   * so that nothing is lost, and the position moves behind them. Whoever works on the partition is
   * fenced.
   *
   * @throws MR_FENCED where the position has moved meanwhile: nothing was changed
   */
  async skip(
    from: number,
    events: readonly QueuedEvent[],
    version: string,
    nowMs: number,
  ): Promise<number> {
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) return 0;
    return await this.#database.transaction(async (tx) => {
      const moved = await tx.run(
        `update millrace_positions set position = $3, epoch = epoch + 1, owner = null,
           lease_until = 0 where partition = $1 and position = $2 returning partition`,
        [first.partition, from, last.position],
      );
      if (moved.length === 0) {
        throw new MillraceError(
          "MR_FENCED",
          `Partition ${first.partition} is not at ${from} any more: its worker goes on.`,
          { remedy: "Look again with millrace queue status; pause it first if it moves." },
        );
      }
      const fresh = await this.#store.claim(tx, events, nowMs);
      await this.#bury(tx, fresh, version, nowMs);
      return fresh.length;
    });
  }

  /**
   * Passes over the next events of a partition, at most `count`. Returns their ids.
   *
   * @throws MR_FENCED where the worker goes on with the partition meanwhile: nothing was changed
   */
  async skipNext(
    queue: QueueEngine,
    partition: number,
    count: number,
    version: string,
    nowMs: number,
  ): Promise<string[]> {
    const statuses = await this.status();
    const from = statuses.find((status) => status.partition === partition)?.position ?? 0;
    const subscription = queue.subscribe(new Map([[partition, from]]));
    try {
      const { events } = await subscription.next(count, 0);
      await this.skip(from, events, version, nowMs);
      return events.map(({ event }) => event.id);
    } finally {
      await subscription.close();
    }
  }

  /**
   * Passes over the head of a parked key: it becomes a dead letter, and its line goes on. Returns
   * its id; undefined where the key is not parked, or waits for a decision about a dead letter.
   */
  async skipHead(key: string, version: string, nowMs: number): Promise<string | undefined> {
    return await this.#database.transaction(
      async (tx) => {
        const [head, next] = await this.#store.line(tx, key, 2);
        if (head === undefined) return undefined;
        await this.#store.unpark(tx, [head]);
        await this.#bury(tx, [head], version, nowMs);
        if (next !== undefined) await this.#store.park(tx, [{ ...next, nextAt: nowMs }]);
        return head.event.id;
      },
      { isAlone: true },
    );
  }

  async #bury(
    tx: Transaction,
    events: readonly (QueuedEvent & Partial<Pick<ParkedEvent, "attempts" | "history">>)[],
    version: string,
    nowMs: number,
  ): Promise<void> {
    const error = failureOf(new Skipped());
    const letters = events.map((queued) => {
      const { attempts = 0, history = [] } = queued;
      return {
        ...queued,
        attempts,
        error,
        history: [...history, { at: nowMs, error: `${error.name}: ${error.message}`, version }],
        fingerprint: fingerprintOf(queued.event.type, error),
        diedAt: nowMs,
        isHeld: false,
      };
    });
    await this.#store.bury(tx, letters);
    if (events.length > 0)
      await this.#note(tx, "skip", { ids: events.map(({ event }) => event.id) });
  }

  async #note(tx: Transaction, did: DeedName, what: Deed["what"]): Promise<void> {
    await note(tx, this.#database, { who: this.#who, did, what });
  }
}
