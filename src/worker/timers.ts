import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { Place, ScheduledId } from "./link.ts";

/** An event whose time of delivery is still to come. */
export interface ScheduledEvent extends QueuedEvent {
  /** Milliseconds since 1970. */
  readonly dueAt: number;
}

/**
 * Events that wait for their time, in the worker's database: the queue need not keep them. When its
 * time has come, an event takes its place in the order of its key as the head of a line, once
 * nothing of its key waits before it.
 *
 * ```
 *   scheduled ──its time comes, and no line of its key stands──▶ parked, due at once
 *       └──────cancelled by its id──▶ cancelled
 * ```
 */
export class Timers {
  readonly #sql: ReturnType<typeof statements>;

  constructor(database: DatabaseEngine) {
    this.#sql = statements(database.dialect.each("$1"));
  }

  async schedule(tx: Transaction, events: readonly ScheduledEvent[]): Promise<void> {
    if (events.length === 0) return;
    const rows = events.map(({ partition, position, event, dueAt, acceptedAt }) => [
      partition,
      position,
      event.key,
      event.id,
      event.source,
      dueAt,
      acceptedAt,
      JSON.stringify(event),
    ]);
    await tx.run(this.#sql.schedule, [JSON.stringify(rows)]);
  }

  /**
   * Makes due events of these partitions the heads of lines, one of a key at a time, and tells how
   * many there were.
   */
  async fire(
    tx: Transaction,
    partitions: readonly number[],
    nowMs: number,
    limit: number,
  ): Promise<number> {
    const rows = JSON.stringify(partitions.map((partition) => [partition]));
    const fired = await tx.run<Place>(this.#sql.fire, [rows, nowMs, limit]);
    if (fired.length === 0) return 0;
    const places = fired.map(({ partition, position }) => [partition, position]);
    await tx.run(this.#sql.remove, [JSON.stringify(places)]);
    return fired.length;
  }

  /** When the next event of these partitions is due after `nowMs`. */
  async nextDue(
    tx: Transaction,
    partitions: readonly number[],
    nowMs: number,
  ): Promise<number | undefined> {
    const rows = JSON.stringify(partitions.map((partition) => [partition]));
    const [row] = await tx.run<{ due_at: number | null }>(this.#sql.nextDue, [rows, nowMs]);
    return row?.due_at ?? undefined;
  }

  /** Cancels what still waits for its time. True where it is cancelled, now or before. */
  async cancel(
    database: DatabaseEngine,
    { id, source }: ScheduledId,
    nowMs: number,
  ): Promise<boolean> {
    // What is on its way into a line at this moment must not be told to be cancelled.
    const rows = await database.transaction(
      (tx) => tx.run(this.#sql.cancel, [id, source ?? null, nowMs]),
      { isAlone: true },
    );
    return rows.length > 0;
  }

  /** Forgets what was cancelled long ago. */
  async prune(tx: Transaction, cancelledBefore: number): Promise<void> {
    await tx.run(this.#sql.prune, [cancelledBefore]);
  }
}

/** `each` unfolds the first parameter, a JSON array of rows, into rows called `value`. */
function statements(each: string) {
  const number = (column: number) => `cast(value ->> ${column} as bigint)`;
  const text = (column: number) => `value ->> ${column}`;
  return {
    schedule: `insert into millrace_timers
        (partition, position, key, id, source, due_at, accepted_at, event)
      select ${number(0)}, ${number(1)}, ${text(2)}, ${text(3)}, ${text(4)}, ${number(5)},
        ${number(6)}, ${text(7)} from ${each}`,
    fire: `insert into millrace_parked
        (partition, position, key, id, accepted_at, event, attempts, next_at, error, history)
      select partition, position, key, id, accepted_at, event, 0, $2, null, '[]' from (
        select *, row_number() over (partition by key order by due_at, position) as turn from (
          select * from millrace_timers as timer
          where cancelled_at is null and due_at <= $2
            and partition in (select ${number(0)} from ${each})
            and not exists (select 1 from millrace_parked as line where line.key = timer.key)
            and not exists (select 1 from millrace_dead_letters as letter
              where letter.key = timer.key and letter.held = 1)
          order by due_at, position limit $3) as due) as turns
      where turn = 1 returning partition, position`,
    remove: `delete from millrace_timers where (partition, position) in
      (select ${number(0)}, ${number(1)} from ${each})`,
    nextDue: `select min(due_at) as due_at from millrace_timers
      where cancelled_at is null and due_at > $2
        and partition in (select ${number(0)} from ${each})`,
    cancel: `update millrace_timers set cancelled_at = coalesce(cancelled_at, $3)
      where id = $1 and (source = $2 or $2 is null) returning id`,
    prune: `delete from millrace_timers where cancelled_at < $1`,
  };
}
