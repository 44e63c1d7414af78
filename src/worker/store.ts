import type { DatabaseEngine, SqlValue, Transaction } from "../database/engine.ts";
import { MillraceError } from "../lib/errors.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { Place } from "./link.ts";
import type { FailedAttempt, Failure } from "./outcome.ts";

/** A parked event: the head of its key's line, or one behind it. */
export interface ParkedEvent extends QueuedEvent {
  readonly attempts: number;
  /** When the head is tried next, milliseconds since 1970; undefined for followers. */
  readonly nextAt: number | undefined;
  readonly error: Failure | undefined;
  readonly history: readonly FailedAttempt[];
}

/** An attempt of the event at a place, counted from 1; 0 where others were begun with it. */
export interface BegunAttempt extends Place {
  readonly attempt: number;
}

export interface DeadLetter extends QueuedEvent {
  readonly attempts: number;
  readonly error: Failure;
  readonly history: readonly FailedAttempt[];
  readonly fingerprint: string;
  readonly diedAt: number;
  /** Its key's later events wait until a person has decided about it. */
  readonly isHeld: boolean;
}

/** A partition's step forward; it counts only while `epoch` and `from` are still true. */
export interface Advance {
  readonly partition: number;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

export interface OutboxRow {
  readonly seq: number;
  readonly partition: number;
  readonly event: EventRecord;
}

interface QueuedRow {
  readonly partition: number;
  readonly position: number;
  readonly accepted_at: number;
  readonly event: string;
}
interface ParkedRow extends QueuedRow {
  readonly attempts: number;
  readonly next_at: number | null;
  readonly error: string | null;
  readonly history: string;
}

const inbox = { table: "millrace_inbox", columns: ["id", "source", "handled_at"] };

const idOf = (source: string, id: string) => `${source}\n${id}`;

/**
 * The worker's bookkeeping as statements: one a batch, not one an event. Whole batches travel as
 * one JSON parameter, which SQLite and PostgreSQL both unfold.
 */
export class WorkerStore {
  readonly #sql: ReturnType<typeof statements>;
  /** Up to here the inbox was looked through. */
  #sweptId = "";

  constructor(database: DatabaseEngine) {
    this.#sql = statements(database.dialect.each("$1"));
  }

  /** Takes on the events that this worker has not seen; X2: by insert, never by looking first. */
  async claim(
    tx: Transaction,
    events: readonly QueuedEvent[],
    nowMs: number,
  ): Promise<QueuedEvent[]> {
    if (tx.insertNew !== undefined) {
      const rows = events.map(({ event }) => [event.id, event.source, nowMs]);
      const isNew = tx.insertNew({ ...inbox, rows });
      return events.filter((_, at) => isNew[at]);
    }
    const ids = JSON.stringify(events.map(({ event }) => [event.id, event.source]));
    const rows = await tx.run<{ id: string; source: string }>(this.#sql.claim, [ids, nowMs]);
    if (rows.length === events.length) return [...events];
    const fresh = new Set(rows.map(({ id, source }) => idOf(source, id)));
    return events.filter(({ event }) => fresh.delete(idOf(event.source, event.id)));
  }

  async lineLength(tx: Transaction, key: string): Promise<number> {
    const rows = await tx.run<{ length: number }>(this.#sql.lines, [jsonColumn([key])]);
    return rows[0]?.length ?? 0;
  }

  /** Those of the events' keys that are parked or held, with the length of their lines. */
  async lines(tx: Transaction, events: readonly QueuedEvent[]): Promise<Map<string, number>> {
    const keys = jsonColumn([...new Set(events.map(({ event }) => event.key))]);
    const rows = await tx.run<{ key: string; length: number }>(this.#sql.lines, [keys]);
    return new Map(rows.map(({ key, length }) => [key, length]));
  }

  async park(tx: Transaction, parked: readonly ParkedEvent[]): Promise<void> {
    if (parked.length === 0) return;
    const rows = parked.map((line) => [
      line.partition,
      line.position,
      line.event.key,
      line.event.id,
      line.acceptedAt,
      JSON.stringify(line.event),
      line.attempts,
      line.nextAt ?? null,
      line.error === undefined ? null : JSON.stringify(line.error),
      JSON.stringify(line.history),
    ]);
    await tx.run(this.#sql.park, [JSON.stringify(rows)]);
  }

  /** Heads whose time has come, oldest first, in the given partitions. */
  async due(tx: Transaction, partitions: readonly number[], nowMs: number, limit: number) {
    const rows = await tx.run<ParkedRow>(this.#sql.due, [jsonColumn(partitions), nowMs, limit]);
    return rows.map(toParked);
  }

  /** Whether any key is parked or held, and when the next head is due after `nowMs`. */
  async parkedState(
    tx: Transaction,
    partitions: readonly number[],
    nowMs: number,
  ): Promise<{ readonly anyParked: boolean; readonly nextAt: number | undefined }> {
    const [row] = await tx.run<{ any_parked: number | boolean; next_at: number | null }>(
      this.#sql.parkedState,
      [jsonColumn(partitions), nowMs],
    );
    return { anyParked: Boolean(row?.any_parked), nextAt: row?.next_at ?? undefined };
  }

  /** A key's line in order, its head first, without what waits behind a held dead letter. */
  async line(tx: Transaction, key: string, limit: number): Promise<ParkedEvent[]> {
    return (await tx.run<ParkedRow>(this.#sql.line, [key, limit])).map(toParked);
  }

  /** Brings the heads of these partitions nearer, after the clock was set back by so much. */
  async bringNearer(tx: Transaction, partitions: readonly number[], ms: number): Promise<void> {
    await tx.run(this.#sql.bringNearer, [jsonColumn(partitions), ms]);
  }

  /** Partition → how many events wait in its lines. */
  async parkedCounts(tx: Transaction): Promise<Map<number, number>> {
    const rows = await tx.run<{ partition: number; events: number }>(this.#sql.parkedCounts);
    return new Map(rows.map(({ partition, events }) => [partition, events]));
  }

  /** Notes that attempts begin; durable once the transaction is committed. */
  async begin(tx: Transaction, attempts: readonly BegunAttempt[]): Promise<void> {
    const rows = attempts.map(({ partition, position, attempt }) => [partition, position, attempt]);
    await tx.run(this.#sql.begin, [JSON.stringify(rows)]);
  }

  /** Attempts that were begun in these partitions and have not come to an end. */
  async begun(tx: Transaction, partitions: readonly number[]): Promise<BegunAttempt[]> {
    return await tx.run(this.#sql.begun, [jsonColumn(partitions)]);
  }

  /** Their attempts have come to an end. */
  async over(tx: Transaction, places: readonly Place[]): Promise<void> {
    if (places.length === 0) return;
    const rows = places.map(({ partition, position }) => [partition, position]);
    await tx.run(this.#sql.over, [JSON.stringify(rows)]);
  }

  async unpark(tx: Transaction, events: readonly QueuedEvent[]): Promise<void> {
    if (events.length === 0) return;
    const places = events.map(({ partition, position }) => [partition, position]);
    await tx.run(this.#sql.unpark, [JSON.stringify(places)]);
  }

  async bury(tx: Transaction, letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    const rows = letters.map((letter) => [
      letter.partition,
      letter.position,
      letter.event.key,
      letter.event.type,
      letter.event.id,
      letter.event.source,
      letter.acceptedAt,
      JSON.stringify(letter.event),
      letter.attempts,
      JSON.stringify(letter.error),
      JSON.stringify(letter.history),
      letter.fingerprint,
      letter.diedAt,
      letter.isHeld ? 1 : 0,
    ]);
    await tx.run(this.#sql.bury, [JSON.stringify(rows)]);
  }

  /** Stores emitted events; their order within a partition is the order of relaying. */
  async post(
    tx: Transaction,
    emitted: readonly Omit<OutboxRow, "seq">[],
  ): Promise<readonly OutboxRow[]> {
    if (emitted.length === 0) return [];
    const rows = emitted.map(({ partition, event }) => [partition, JSON.stringify(event)]);
    const stored = await tx.run<{ seq: number }>(this.#sql.post, [JSON.stringify(rows)]);
    const numbers = stored.map(({ seq }) => seq).sort((a, b) => a - b);
    return emitted.map((row, index) => ({ ...row, seq: numbers[index] ?? 0 }));
  }

  /** Emitted events that are not confirmed, in order, behind the row `after`. */
  async posted(tx: Transaction, partitions: readonly number[], after: number, limit: number) {
    const rows = await tx.run<{ seq: number; partition: number; event: string }>(this.#sql.posted, [
      jsonColumn(partitions),
      after,
      limit,
    ]);
    return rows.map((row): OutboxRow => ({ ...row, event: JSON.parse(row.event) }));
  }

  async confirm(tx: Transaction, seqs: readonly number[]): Promise<void> {
    if (seqs.length > 0) await tx.run(this.#sql.confirm, [jsonColumn(seqs)]);
  }

  async touch(tx: Transaction, keys: Iterable<string>): Promise<void> {
    const rows = [...keys].map((key) => [key]);
    if (rows.length > 0) await tx.run(this.#sql.touch, [JSON.stringify(rows)]);
  }

  /**
   * Moves positions by compare-and-set (X1): the fence of everything in the transaction. `from` and
   * `to` may be equal, where only ownership is to be proven.
   *
   * @throws MR_FENCED where any of them is not this instance's to move
   */
  async advance(tx: Transaction, advances: readonly Advance[]): Promise<void> {
    if (advances.length === 0) return;
    const rows = advances.map(({ partition, epoch, from, to }) => [partition, epoch, from, to]);
    const moved =
      tx.changeEach?.(this.#sql.advanceOne, rows).filter((changes) => changes === 1) ??
      (await tx.run(this.#sql.advance, [JSON.stringify(rows)]));
    if (moved.length !== advances.length) {
      throw new MillraceError(
        "MR_FENCED",
        "Another instance owns one of the partitions; what this transaction did is rolled back.",
      );
    }
  }

  /** Forgets the oldest touches; called now and then. */
  async pruneTouches(tx: Transaction, touchesKept: number): Promise<void> {
    await tx.run(this.#sql.pruneTouches, [touchesKept]);
  }

  /**
   * Looks at the next ids of the inbox, round and round, and forgets those that are old enough. Two
   * looked at for each one claimed keep it bounded, and nobody ever waits for a large clean-up.
   */
  async sweepInbox(tx: Transaction, ids: number, before: number): Promise<void> {
    const [last] = await tx.run<{ id: string }>(this.#sql.inboxAfter, [this.#sweptId, ids]);
    const upTo = last?.id ?? "\u{10ffff}";
    await tx.run(this.#sql.dropSwept, [this.#sweptId, upTo, before]);
    this.#sweptId = last?.id ?? "";
  }
}

const jsonColumn = (values: readonly SqlValue[]) => JSON.stringify(values.map((value) => [value]));

function toParked(row: ParkedRow): ParkedEvent {
  return {
    partition: row.partition,
    position: row.position,
    acceptedAt: row.accepted_at,
    event: JSON.parse(row.event),
    attempts: row.attempts,
    nextAt: row.next_at ?? undefined,
    error: row.error === null ? undefined : JSON.parse(row.error),
    history: JSON.parse(row.history),
  };
}

/** `each` unfolds the first parameter, a JSON array of rows, into rows called `value`. */
function statements(each: string) {
  const number = (column: number) => `cast(value ->> ${column} as bigint)`;
  const text = (column: number) => `value ->> ${column}`;
  const keys = `(select ${text(0)} from ${each})`;
  const parkedColumns =
    "partition, position, accepted_at, event, attempts, next_at, error, history";
  return {
    claim: `insert into millrace_inbox (id, source, handled_at)
      select ${text(0)}, ${text(1)}, $2 from ${each} where true
      on conflict do nothing returning id, source`,
    lines: `select key, sum(length) as length from (
        select key, count(*) as length from millrace_parked where key in ${keys} group by key
        union all
        select key, count(*) from millrace_dead_letters where held = 1 and key in ${keys}
        group by key) as waiting group by key`,
    park: `insert into millrace_parked
        (partition, position, key, id, accepted_at, event, attempts, next_at, error, history)
      select ${number(0)}, ${number(1)}, ${text(2)}, ${text(3)}, ${number(4)}, ${text(5)},
        ${number(6)}, ${number(7)}, ${text(8)}, ${text(9)} from ${each} where true
      on conflict (partition, position) do update set
        attempts = excluded.attempts, next_at = excluded.next_at, error = excluded.error,
        history = excluded.history`,
    due: `select ${parkedColumns} from millrace_parked
      where next_at <= $2 and partition in (select ${number(0)} from ${each})
      order by next_at limit $3`,
    parkedState: `select
        exists (select 1 from millrace_parked)
          or exists (select 1 from millrace_dead_letters where held = 1) as any_parked,
        (select min(next_at) from millrace_parked
          where next_at > $2 and partition in (select ${number(0)} from ${each})) as next_at`,
    bringNearer: `update millrace_parked set next_at = next_at - $2
      where next_at is not null and partition in (select ${number(0)} from ${each})`,
    parkedCounts: `select partition, count(*) as events from millrace_parked group by partition`,
    begin: `insert into millrace_attempts (partition, position, attempt)
      select ${number(0)}, ${number(1)}, ${number(2)} from ${each} where true
      on conflict (partition, position) do update set attempt = excluded.attempt`,
    begun: `select partition, position, attempt from millrace_attempts
      where partition in (select ${number(0)} from ${each})`,
    over: `delete from millrace_attempts where (partition, position) in
      (select ${number(0)}, ${number(1)} from ${each})`,
    line: `select ${parkedColumns} from millrace_parked where key = $1 and not exists (
        select 1 from millrace_dead_letters as letter where letter.key = $1 and letter.held = 1
          and letter.position < millrace_parked.position)
      order by position limit $2`,
    unpark: `delete from millrace_parked where (partition, position) in
      (select ${number(0)}, ${number(1)} from ${each})`,
    bury: `insert into millrace_dead_letters (partition, position, key, type, id, source,
        accepted_at, event, attempts, error, history, fingerprint, died_at, held)
      select ${number(0)}, ${number(1)}, ${text(2)}, ${text(3)}, ${text(4)}, ${text(5)},
        ${number(6)}, ${text(7)}, ${number(8)}, ${text(9)}, ${text(10)}, ${text(11)},
        ${number(12)}, ${number(13)} from ${each}`,
    post: `insert into millrace_outbox (partition, event)
      select ${number(0)}, ${text(1)} from ${each} returning seq`,
    posted: `select seq, partition, event from millrace_outbox
      where seq > $2 and partition in (select ${number(0)} from ${each}) order by seq limit $3`,
    confirm: `delete from millrace_outbox where seq in (select ${number(0)} from ${each})`,
    touch: `insert into millrace_touches (key) select ${text(0)} from ${each}`,
    ...advancing(each),
    inboxAfter: `select id from millrace_inbox where id > $1 order by id limit 1 offset $2`,
    dropSwept: `delete from millrace_inbox where id > $1 and id <= $2 and handled_at < $3`,
    pruneTouches: `delete from millrace_touches
      where seq <= (select max(seq) from millrace_touches) - $1`,
  };
}

function advancing(each: string) {
  const number = (column: number) => `cast(value ->> ${column} as bigint)`;
  return {
    // Finds its rows without reading them, so that nobody who advances others stands in its way.
    // None is ever missing; `from` travels where a new one would have its lease.
    advance: `insert into millrace_positions as held (partition, epoch, lease_until, position)
      select ${number(0)}, ${number(1)}, ${number(2)}, ${number(3)} from ${each} where true
      on conflict (partition) do update set position = excluded.position
        where held.epoch = excluded.epoch and held.position = excluded.lease_until
      returning partition`,
    advanceOne: `update millrace_positions set position = $4
      where partition = $1 and epoch = $2 and position = $3`,
  };
}
