import { setImmediate } from "node:timers/promises";
import { limits } from "../../lib/limits.ts";
import type { Batch, QueuedEvent } from "../../queue/engine.ts";
import { damagedFault, lostTailFault, trimmedFault } from "../../queue/faults.ts";
import type { Reading } from "../../queue/waiting-subscription.ts";
import type { QueueReader } from "./queue-reader.ts";
import { type EventRow, eventOf } from "./queue-rows.ts";
import type { StatementSync } from "./sqlite.ts";

/** Rows taken from SQLite at once: few enough that large events do not fill the memory. */
const rowsPerLook = 32;

/**
 * Reads one subscription's events. All partitions stand in the file in one order, so this is one
 * scan from the oldest unread position; what is not asked for is skipped inside SQLite.
 */
export class QueueReading implements Reading {
  readonly #reader: QueueReader;
  /** Partition → what was told as read. */
  readonly #cursors: Map<number, number>;
  readonly #types: readonly string[] | undefined;
  /** Up to here, over all partitions, everything is read; undefined before the first look. */
  #scanned: number | undefined;
  /** From this position on all partitions are unread, and the scan needs no cursors. */
  #evenFrom = 0;
  /** By how many rows they give. */
  readonly #evenScans = new Map<number, StatementSync>();
  readonly #unevenScans = new Map<number, StatementSync>();
  #version = -1;

  constructor(
    reader: QueueReader,
    cursors: ReadonlyMap<number, number>,
    types: ReadonlySet<string> | undefined,
  ) {
    this.#reader = reader;
    this.#cursors = new Map(cursors);
    this.#types = types === undefined ? undefined : [...types];
  }

  mayHaveMore(): boolean {
    return this.#reader.version() !== this.#version;
  }

  async read(limit: number): Promise<Batch> {
    this.#version = this.#reader.version();
    for (;;) {
      const { batch, atEnd } = this.#reader.snapshot(() => this.#look(limit));
      if (atEnd || batch.events.length > 0 || batch.positions.size > 0) return batch;
      // A long stretch of other partitions' events: others get their turn on the event loop.
      await setImmediate();
    }
  }

  #look(limit: number): { batch: Batch; atEnd: boolean } {
    const end = this.#reader.position();
    const positions = new Map<number, number>();
    if (end === this.#scanned) return { batch: { events: [], positions }, atEnd: true };

    const bounds = this.#reader.bounds().filter(({ partition }) => this.#cursors.has(partition));
    for (const { partition, end, trimmed } of bounds) {
      const cursor = this.#cursors.get(partition) ?? 0;
      if (cursor < trimmed) throw trimmedFault(partition, cursor, trimmed);
      if (cursor > end) throw lostTailFault(partition, cursor, end);
    }
    const from = this.#scanned ?? this.#start(bounds, end);
    const { events, scanned } = this.#collect(limit, from, end);
    this.#scanned = scanned;
    for (const { partition, end } of bounds) {
      const reached = Math.min(scanned, end);
      if (reached <= (this.#cursors.get(partition) ?? 0)) continue;
      this.#cursors.set(partition, reached);
      positions.set(partition, reached);
    }
    return { batch: { events, positions }, atEnd: scanned === end };
  }

  /** Where the scan begins: partitions that are read to their end do not hold it back. */
  #start(bounds: readonly { partition: number; end: number }[], end: number): number {
    const behind = bounds
      .map((one) => ({ cursor: this.#cursors.get(one.partition) ?? 0, end: one.end }))
      .filter((one) => one.cursor < one.end)
      .map(({ cursor }) => cursor);
    this.#evenFrom = Math.max(0, ...this.#cursors.values());
    return Math.min(end, ...behind);
  }

  #collect(limit: number, from: number, end: number): { events: QueuedEvent[]; scanned: number } {
    const upTo = Math.min(end, from + limits.scanEventsMax);
    const events: QueuedEvent[] = [];
    let bytes = 0;
    let after = from;
    while (events.length < limit && bytes < limits.readBatchBytesMax) {
      const wanted = Math.min(rowsPerLook, limit - events.length);
      const scan = this.#scanFrom(from, wanted);
      const rows = scan.all(after, upTo, ...(this.#types ?? [])) as unknown as EventRow[];
      for (const row of rows) {
        const event = eventOf(row);
        if (event === undefined) {
          // What comes before it is delivered first; the next look meets it at once.
          if (events.length > 0) return { events, scanned: after };
          throw damagedFault(row[1], row[0]);
        }
        events.push(event);
        bytes += event.event.data.length;
        after = event.position;
      }
      if (rows.length < wanted) return { events, scanned: upTo };
    }
    return { events, scanned: after };
  }

  /** Until the scan has passed every cursor, each partition has a bound of its own. */
  #scanFrom(from: number, rows: number): StatementSync {
    const isEven = from >= this.#evenFrom;
    const scans = isEven ? this.#evenScans : this.#unevenScans;
    const known = scans.get(rows);
    if (known !== undefined) return known;
    const condition = isEven
      ? partitionCondition(this.#cursors, this.#reader.partitions)
      : unreadCondition(this.#cursors);
    const scan = this.#prepare(condition, rows);
    scans.set(rows, scan);
    return scan;
  }

  /** The limit is a part of the text: where it is a parameter, SQLite prepares anew at each run. */
  #prepare(condition: string, rows: number): StatementSync {
    const types = this.#types?.map(() => "?").join(", ");
    const ofTypes = types === undefined ? "" : `and type in (${types})`;
    return this.#reader.prepareEvents(
      `position > ? and position <= ? and ${condition} ${ofTypes} order by position limit ${rows}`,
    );
  }
}

const partitionCondition = (cursors: ReadonlyMap<number, number>, partitions: number): string =>
  cursors.size === partitions ? "true" : `partition in (${[...cursors.keys()].join(", ")})`;

/**
 * Positions are compared where they differ from partition to partition; unknown ones are skipped.
 */
function unreadCondition(cursors: ReadonlyMap<number, number>): string {
  const bounds = [...cursors].map(([partition, cursor]) => `when ${partition} then ${cursor}`);
  return `position > case partition ${bounds.join(" ")} end`;
}
