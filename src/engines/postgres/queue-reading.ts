import { setImmediate } from "node:timers/promises";
import { limits } from "../../lib/limits.ts";
import type { Batch, QueuedEvent } from "../../queue/engine.ts";
import { lostTailFault, trimmedFault } from "../../queue/faults.ts";
import type { Reading } from "../../queue/waiting-subscription.ts";
import { queueFailure } from "./queue-append.ts";
import type { Readers } from "./readers.ts";

interface Row {
  readonly position: number;
  readonly partition: number;
  readonly type: string;
  readonly source: string;
  readonly id: string;
  readonly key: string;
  readonly time: string;
  readonly accepted_at: number;
  readonly bytes: number;
  readonly attributes: string | null;
  readonly data: string;
}

type Bounds = readonly [partition: number, end: number, trimmed: number];

/**
 * Reads one subscription's events. All partitions stand in one order, so this is one scan from the
 * oldest unread position; what is not asked for is skipped on the server.
 */
export class QueueReading implements Reading {
  readonly #readers: Readers;
  /** Partition → what was told as read. */
  readonly #cursors: Map<number, number>;
  readonly #types: string | null;
  /** Up to here, over all partitions, everything is read; undefined before the first look. */
  #scanned: number | undefined;

  constructor(
    readers: Readers,
    cursors: ReadonlyMap<number, number>,
    types: ReadonlySet<string> | undefined,
  ) {
    this.#readers = readers;
    this.#cursors = new Map(cursors);
    this.#types = types === undefined ? null : JSON.stringify([...types]);
  }

  /** Only the server could tell, and then it can as well tell what there is. */
  mayHaveMore(): boolean {
    return true;
  }

  async read(limit: number): Promise<Batch> {
    for (;;) {
      const { batch, atEnd } = await this.#look(limit);
      if (atEnd || batch.events.length > 0 || batch.positions.size > 0) return batch;
      // A long stretch of other partitions' events: others get their turn.
      await setImmediate();
    }
  }

  async #look(limit: number): Promise<{ batch: Batch; atEnd: boolean }> {
    const from = this.#scanned ?? Math.min(...this.#cursors.values());
    const { end, bounds, rows } = await this.#select(from, limit);
    const mine = bounds.filter(([partition]) => this.#cursors.has(partition));
    for (const [partition, end, trimmed] of mine) {
      const cursor = this.#cursors.get(partition) ?? 0;
      if (cursor < trimmed) throw trimmedFault(partition, cursor, trimmed);
      if (cursor > end) throw lostTailFault(partition, cursor, end);
    }
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    const isCut = rows.length === limit || bytes >= limits.readBatchBytesMax;
    const upTo = Math.max(from, Math.min(end, from + limits.scanEventsMax));
    const scanned = isCut ? (rows.at(-1)?.position ?? upTo) : upTo;
    this.#scanned = scanned;
    const positions = new Map<number, number>();
    for (const [partition, end] of mine) {
      const reached = Math.min(scanned, end);
      if (reached <= (this.#cursors.get(partition) ?? 0)) continue;
      this.#cursors.set(partition, reached);
      positions.set(partition, reached);
    }
    return { batch: { events: rows.map(toQueued), positions }, atEnd: scanned >= end };
  }

  /** All of one moment: what there is, where the partitions end, and what was trimmed. */
  async #select(from: number, limit: number) {
    const partitions = Math.max(...this.#cursors.keys()) + 1;
    const cursors = Array.from({ length: partitions }, (_, at) => this.#cursors.get(at) ?? null);
    const parameters = [from, limit, JSON.stringify(cursors), this.#types];
    const { rows } = await this.#readers.run(select, parameters).catch((error) => {
      throw queueFailure(error);
    });
    const [head, ...events] = rows as unknown as Row[];
    const bounds: Bounds[] = JSON.parse(head?.data ?? "[]");
    return { end: head?.position ?? 0, bounds, rows: events };
  }
}

/** The first row is the queue's own: its newest position, and the bounds of the partitions. */
const select = `
  select position, -1 as partition, null as type, null as source, null as id, null as key,
    null as time, accepted_at, 0 as bytes, null as attributes,
    (select json_agg(json_build_array(partition, "end", trimmed)) from partitions)::text as data
  from queue
  union all
  select position, partition, type, source, id, key, time, accepted_at, bytes, attributes, data
  from (
    select *, sum(bytes) over (order by position) - bytes as before from (
      select * from events
      where position > $1 and position <= $1 + ${limits.scanEventsMax}
        and position > cast($3::jsonb ->> partition as bigint)
        and ($4::jsonb is null or $4::jsonb ? type)
      order by position limit $2) as page) as summed
  where before < ${limits.readBatchBytesMax}`;

export function toQueued(row: Row): QueuedEvent {
  const { position, partition, accepted_at, type, source, id, key, time, data, attributes } = row;
  return {
    partition,
    position,
    acceptedAt: accepted_at,
    event: {
      ...{ id, source, type, key, time, data },
      attributes: attributes === null ? {} : JSON.parse(attributes),
    },
  };
}
