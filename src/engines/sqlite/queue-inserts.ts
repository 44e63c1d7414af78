import {
  type AppendAnswer,
  type AppendField,
  type AppendFields,
  appendFieldCount,
  type KnownId,
} from "./queue-protocol.ts";
import { checksum, eventColumns } from "./queue-rows.ts";
import { RowInsert, rowsPerRun } from "./row-insert.ts";
import type { DatabaseSync, StatementSync } from "./sqlite.ts";

const idColumns = ["id", "source", "position", "partition", "accepted_at", "fingerprint"];

export interface Inserted extends AppendAnswer {
  readonly storedCount: number;
  /** Partition → its new end. */
  readonly ends: ReadonlyMap<number, number>;
}

/** Puts events into the tables, inside the caller's transaction. */
export class QueueInserts {
  readonly #ids: RowInsert;
  readonly #events: RowInsert;
  readonly #selectId: StatementSync;

  constructor(db: DatabaseSync) {
    this.#ids = new RowInsert(db, { table: "ids", columns: idColumns }, "on conflict do nothing");
    this.#events = new RowInsert(db, { table: "events", columns: eventColumns });
    this.#selectId = db.prepare(
      "select position, partition, fingerprint from ids where id = ? and source = ?",
    );
  }

  /**
   * Gives each event the next position, claims its id, and stores what is new. The position of a
   * duplicate stays unused: positions grow, but not by one.
   */
  insert(fields: readonly AppendField[], lastPosition: number, acceptedAt: number): Inserted {
    const positions: number[] = [];
    const duplicates: KnownId[] = [];
    const ends = new Map<number, number>();
    const count = fields.length / appendFieldCount;
    for (let first = 0; first < count; first += rowsPerRun) {
      const events: AppendFields[] = [];
      for (let at = first; at < Math.min(first + rowsPerRun, count); at++) {
        events.push(
          fields.slice(at * appendFieldCount, (at + 1) * appendFieldCount) as AppendFields,
        );
      }
      const firstPosition = lastPosition + first + 1;
      const known = this.#claimIds(events, first, firstPosition, acceptedAt);
      const rows: AppendField[] = [];
      for (const [offset, event] of events.entries()) {
        const isKnown = known.some(({ at }) => at === first + offset);
        positions.push(isKnown ? 0 : firstPosition + offset);
        if (isKnown) continue;
        pushRow(rows, event, firstPosition + offset, acceptedAt);
        ends.set(event[0], firstPosition + offset);
      }
      this.#events.run(rows);
      duplicates.push(...known);
    }
    return { positions, duplicates, ends, storedCount: count - duplicates.length };
  }

  /** @returns those of the events whose ids were there already. */
  #claimIds(
    events: readonly AppendFields[],
    first: number,
    firstPosition: number,
    acceptedAt: number,
  ): KnownId[] {
    const rows: AppendField[] = [];
    for (const [offset, event] of events.entries()) {
      const [partition, , source, id, , , , , fingerprint] = event;
      rows.push(id, source, firstPosition + offset, partition, acceptedAt, fingerprint);
    }
    if (this.#ids.run(rows) === events.length) return [];
    const known: KnownId[] = [];
    for (const [offset, [, , source, id]] of events.entries()) {
      const row = this.#selectId.get(id, source) as unknown as Omit<KnownId, "at">;
      // What is there is ours exactly where it has the position that we gave.
      if (row.position !== firstPosition + offset) known.push({ ...row, at: first + offset });
    }
    return known;
  }
}

function pushRow(
  rows: AppendField[],
  event: AppendFields,
  position: number,
  acceptedAt: number,
): void {
  const [partition, type, source, id, key, time, attributes, data] = event;
  const crc = checksum(
    position,
    partition,
    type,
    source,
    id,
    key,
    time,
    acceptedAt,
    attributes,
    data,
  );
  rows.push(position, partition, type, source, id, key, time, acceptedAt, crc, attributes, data);
}
