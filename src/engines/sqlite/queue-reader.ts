import { limits } from "../../lib/limits.ts";
import type { EventName, FoundEvent } from "../../queue/engine.ts";
import { damagedFault } from "../../queue/faults.ts";
import { type EventRow, eventColumns, eventOf } from "./queue-rows.ts";
import { queueFileOf } from "./queue-schema.ts";
import { type DatabaseSync, openSqlite, type StatementSync } from "./sqlite.ts";

/** How far a partition reaches, and how far it was trimmed. */
export interface Bounds {
  readonly partition: number;
  readonly end: number;
  readonly trimmed: number;
}

interface IdRow {
  readonly id: string;
  readonly source: string;
  readonly partition: number;
  readonly position: number;
  readonly acceptedAt: number;
  readonly fingerprint: string | null;
}

const selectEvents = `select ${eventColumns.join(", ")} from events`;

/**
 * The connection on which the event loop reads. It cannot write, and each look is one short
 * transaction that ends before anything is awaited: a long one would keep the WAL growing.
 */
export class QueueReader {
  readonly partitions: number;
  readonly #db: DatabaseSync;
  readonly #statements: ReturnType<typeof prepareReaderStatements>;

  constructor(folder: string) {
    this.#db = openSqlite(queueFileOf(folder), { readOnly: true });
    this.#db.exec(`pragma busy_timeout = ${limits.readLockMs}`);
    this.#statements = prepareReaderStatements(this.#db);
    this.partitions = this.bounds().length;
  }

  /** Runs `look` on one state of the file. */
  snapshot<Result>(look: () => Result): Result {
    this.#statements.begin.run();
    try {
      return look();
    } finally {
      this.#statements.commit.run();
    }
  }

  /** A number that is another one whenever another connection has committed. */
  version(): number {
    return this.#statements.version.get()?.data_version as number;
  }

  /** The newest position of all partitions. */
  position(): number {
    return this.#statements.position.get()?.position as number;
  }

  bounds(): Bounds[] {
    return this.#statements.bounds.all() as unknown as Bounds[];
  }

  /** A statement over events, as arrays in the order of `eventColumns`. */
  prepareEvents(condition: string): StatementSync {
    const statement = this.#db.prepare(`${selectEvents} where ${condition}`);
    statement.setReturnArrays(true);
    return statement;
  }

  find(id: string, source: string | undefined): FoundEvent[] {
    const { findId, findIdOfSource, event } = this.#statements;
    return this.snapshot(() => {
      const rows = source === undefined ? findId.all(id) : findIdOfSource.all(id, source);
      return (rows as unknown as IdRow[]).map(({ fingerprint, ...place }) => {
        const row = fingerprint === null ? place : { ...place, fingerprint };
        const stored = event.get(row.position) as unknown as EventRow | undefined;
        if (stored === undefined) return { ...row };
        const queued = eventOf(stored);
        if (queued === undefined) throw damagedFault(row.partition, row.position);
        return { ...row, event: queued.event };
      });
    });
  }

  trimmedIds({ id, source }: EventName, limit: number): FoundEvent[] {
    const rows = this.#statements.trimmedIds.all(id, source, limit) as unknown as IdRow[];
    return rows.map(({ fingerprint, ...place }) =>
      fingerprint === null ? { ...place } : { ...place, fingerprint },
    );
  }

  /**
   * The last position of any partition accepted before `timeMs`, by halving: times never go back
   * from one position to the next. 0 where the oldest event is younger.
   */
  positionBefore(timeMs: number): number {
    return this.snapshot(() => {
      let low = 0;
      let high = this.position();
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        // Positions have gaps: the event at or below the middle decides.
        const row = this.#statements.acceptedAt.get(middle);
        if (row === undefined || (row.acceptedAt as number) < timeMs) low = middle;
        else high = (row.position as number) - 1;
      }
      return low;
    });
  }

  /** The newest position of `partition` in (after, upTo], if any. */
  lastWithin(partition: number, after: number, upTo: number): number | undefined {
    const row = this.#statements.lastWithin.get(after, upTo, partition);
    return (row?.last as number | null | undefined) ?? undefined;
  }

  close(): void {
    this.#db.close();
  }
}

function prepareReaderStatements(db: DatabaseSync) {
  const ids = `select id, source, partition, position, accepted_at as "acceptedAt",
    fingerprint from ids`;
  const statements = {
    begin: db.prepare("begin"),
    commit: db.prepare("commit"),
    version: db.prepare("pragma data_version"),
    position: db.prepare("select position from queue"),
    bounds: db.prepare(`select partition, "end", trimmed from partitions`),
    findId: db.prepare(`${ids} where id = ? order by position`),
    findIdOfSource: db.prepare(`${ids} where id = ? and source = ?`),
    trimmedIds: db.prepare(
      `${ids} where (id, source) > (?, ?) and position <=
        (select trimmed from partitions where partitions.partition = ids.partition)
        order by id, source limit ?`,
    ),
    event: db.prepare(`${selectEvents} where position = ?`),
    acceptedAt: db.prepare(
      `select position, accepted_at as "acceptedAt" from events
        where position <= ? order by position desc limit 1`,
    ),
    lastWithin: db.prepare(
      `select max(position) as last from events
        where position > ? and position <= ? and partition = ?`,
    ),
  };
  statements.event.setReturnArrays(true);
  return statements;
}
