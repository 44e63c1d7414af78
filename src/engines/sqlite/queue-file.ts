import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { diskFull, dropBallast, RoomGate, volumeFreeBytes } from "./queue-disk.ts";
import { type Inserted, QueueInserts } from "./queue-inserts.ts";
import type {
  AppendAnswer,
  AppendField,
  TrimAnswer,
  TrimRequest,
  WriterReady,
  WriterSettings,
  WriterState,
} from "./queue-protocol.ts";
import { createQueueTables, openingFault, openQueueFile } from "./queue-schema.ts";
import {
  prepareQueueStatements,
  type QueueHead,
  type QueueStatements,
} from "./queue-statements.ts";
import { type DatabaseSync, type StatementSync, sqliteFailure } from "./sqlite.ts";

/** One byte is written to this file after each commit; who reads in another process watches it. */
export const bellName = "bell";

/**
 * After this error nothing more may be written: what the file holds is only known after a restart.
 */
export class BrokenFile extends Error {
  override readonly name = "BrokenFile";
  /** What the caller of the failed operation is told. */
  readonly told: MillraceError;

  constructor(told: MillraceError) {
    super(told.message, { cause: told.cause });
    this.told = told;
  }
}

/**
 * The one connection of a process that writes to the queue's file. Everything here blocks, so it
 * lives on a thread of its own (queue-writer.ts).
 */
export class QueueFile {
  readonly ready: WriterReady;
  readonly #settings: WriterSettings;
  readonly #clock: Clock;
  readonly #db: DatabaseSync;
  readonly #pageBytes: number;
  readonly #statements: QueueStatements;
  readonly #inserts: QueueInserts;
  readonly #gate: RoomGate;
  readonly #bell: number;
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));
  readonly #ringing = new Uint8Array(1);
  #bytesSinceCheckpoint = 0;
  #appendsSinceCheckpoint = 0;
  #walBytes = 0;
  #eventsSinceSweep = 0;
  #sweptId = "";

  /** @throws MR_DATA_NEWER, MR_DATA_DAMAGED, MR_DATA_UNUSABLE, MR_SQLITE_VERSION */
  constructor(settings: WriterSettings, clock: Clock = systemClock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#db = openQueueFile(settings.folder);
    try {
      // An error of SQLite's own checkpoint would go unseen; ours is seen.
      this.#db.exec("pragma wal_autocheckpoint = 0");
      this.#pageBytes = count(this.#db.prepare("pragma page_size"));
      this.#transaction(() => createQueueTables(this.#db, settings.partitions, settings.nowMs));
      this.#checkpoint("truncate");
      this.#statements = prepareQueueStatements(this.#db);
      this.#inserts = new QueueInserts(this.#db);
      this.#gate = new RoomGate(settings.diskLowBytes, settings.storedBytesMax);
      const mode = constants.O_WRONLY | constants.O_CREAT;
      this.#bell = openSync(join(settings.folder, bellName), mode, 0o600);
      this.#ring();
      this.ready = this.#statements.identity.get() as unknown as WriterReady;
    } catch (error) {
      this.#db.close();
      throw openingFault(settings.folder, error);
    }
  }

  /**
   * Stores events in one transaction. When it returns, they are on the disk.
   *
   * @throws MR_QUEUE_FULL, MR_QUEUE_BACKLOG, MR_QUEUE_UNAVAILABLE: nothing was stored
   * @throws BrokenFile (MR_RESULT_UNKNOWN where the commit itself failed)
   */
  append(fields: readonly AppendField[], nowMs: number): AppendAnswer {
    const bytes = bytesOf(fields);
    this.#gate.check(this.#freeBytes(), this.#storedBytes(), bytes);
    const inserted = this.#transaction(() => this.#insert(fields, nowMs));
    if (inserted.storedCount > 0) {
      this.#ring();
      this.#bytesSinceCheckpoint += bytes;
      this.#appendsSinceCheckpoint++;
    }
    return { positions: inserted.positions, duplicates: inserted.duplicates };
  }

  #insert(fields: readonly AppendField[], nowMs: number): Inserted {
    const { queue, setEnd, setQueue } = this.#statements;
    const head = queue.get() as unknown as QueueHead;
    // Times of acceptance never go back, whatever the clock does: positionAt searches by them.
    const acceptedAt = Math.max(nowMs, head.accepted_at);
    const inserted = this.#inserts.insert(fields, head.position, acceptedAt);
    for (const [partition, end] of inserted.ends) setEnd.run(end, partition);
    if (inserted.storedCount > 0) {
      setQueue.run(Math.max(...inserted.ends.values()), acceptedAt, inserted.storedCount);
      this.#sweepIds(inserted.storedCount, acceptedAt);
    }
    return inserted;
  }

  /** The events are stored already: readers that do not hear of them look by themselves. */
  #ring(): void {
    try {
      writeSync(this.#bell, this.#ringing, 0, 1, 0);
    } catch {}
  }

  /**
   * Forgets ids that are old enough and whose events were trimmed: a few rows with each append,
   * round and round, so that nobody ever waits for a large clean-up.
   */
  #sweepIds(newEvents: number, nowMs: number): void {
    this.#eventsSinceSweep += newEvents;
    if (this.#eventsSinceSweep < limits.idSweepEvents) return;
    this.#eventsSinceSweep = 0;
    const { idAfter, dropIds } = this.#statements;
    const last = idAfter.get(this.#sweptId, limits.idSweepEvents * 2) as { id: string } | undefined;
    const upTo = last?.id ?? "\u{10ffff}";
    dropIds.run(this.#sweptId, upTo, nowMs - this.#settings.idWindowMs);
    this.#sweptId = last?.id ?? "";
  }

  /** Removes a part of what is to be removed, so that appends wait for no more than a part. */
  trim({ partition, from, upTo }: TrimRequest): TrimAnswer {
    return this.#transaction(() => {
      const { bounds, lastWithin, dropEvents, setTrimmed } = this.#statements;
      const { end, trimmed } = bounds.get(partition) as unknown as { end: number; trimmed: number };
      const start = Math.max(from, trimmed);
      const goal = Math.min(upTo, end);
      const reached = Math.min(start + limits.scanEventsMax, goal);
      const { last } = lastWithin.get(start, reached, partition) as { last: number | null };
      if (last !== null) {
        const { changes } = dropEvents.run(start, last, partition);
        setTrimmed.run(last, partition);
        this.#statements.countRemoved.run(changes);
      }
      return { reached, done: reached >= goal };
    });
  }

  /** What can wait until the caller has its answer. @throws BrokenFile */
  tidy(): void {
    const isDue =
      this.#bytesSinceCheckpoint >= limits.checkpointBytes ||
      this.#appendsSinceCheckpoint >= limits.checkpointAppends;
    if (!isDue) return;
    this.#bytesSinceCheckpoint = 0;
    this.#appendsSinceCheckpoint = 0;
    this.#checkpoint("passive");
    // A reader that stopped inside its transaction keeps the WAL from starting anew.
    if (this.#walBytes > limits.walBytesMax) this.#checkpoint("truncate");
  }

  state(): WriterState {
    const { events, oldest } = this.#statements.contents.get() as unknown as {
      events: number;
      oldest: number | null;
    };
    return {
      storedEvents: events,
      storedBytes: this.#storedBytes(),
      oldestAcceptedAt: oldest,
      freeBytes: this.#freeBytes(),
      full: this.#gate.full,
      walBytes: this.#walBytes,
    };
  }

  close(intact: boolean): void {
    try {
      if (intact) this.#checkpoint("passive");
    } finally {
      this.#db.close();
      closeSync(this.#bell);
    }
  }

  /** Runs `work` between BEGIN and COMMIT, and sorts out what a failure of either means. */
  #transaction<Result>(work: () => Result): Result {
    this.#begin();
    let result: Result;
    try {
      result = work();
    } catch (error) {
      throw this.#failed(error, false);
    }
    try {
      this.#db.exec("commit");
    } catch (error) {
      throw this.#failed(error, true);
    }
    return result;
  }

  /** SQLite's own busy handler would sleep for 1 to 100 ms a step; the lock is free far sooner. */
  #begin(): void {
    const deadline = this.#clock.monotonic() + this.#settings.busyTimeoutMs;
    for (;;) {
      try {
        this.#db.exec("begin immediate");
        return;
      } catch (error) {
        if (sqliteFailure(error) !== "busy") throw this.#failed(error, false);
        if (this.#clock.monotonic() >= deadline) throw stillBusy(error);
        Atomics.wait(this.#pause, 0, 0, limits.busyRetryMs);
      }
    }
  }

  #failed(error: unknown, committing: boolean): unknown {
    const kind = sqliteFailure(error);
    if (!this.#rollBack()) return new BrokenFile(brokenTold(error, committing));
    if (kind === "full") {
      // The ballast gives the room in which trimming and checkpointing can work.
      dropBallast(this.#settings.folder);
      this.#gate.shut();
      return diskFull(error);
    }
    if (kind === "busy") return stillBusy(error);
    const harmless = kind === undefined && !committing;
    return harmless ? error : new BrokenFile(brokenTold(error, committing));
  }

  #rollBack(): boolean {
    try {
      if (this.#db.isTransaction) this.#db.exec("rollback");
      return true;
    } catch {
      return false;
    }
  }

  /** An event that has its answer is not concerned by a failing checkpoint; the next ones are. */
  #checkpoint(mode: "passive" | "truncate"): void {
    try {
      const { log } = this.#db.prepare(`pragma wal_checkpoint(${mode})`).get() as { log: number };
      this.#walBytes = Math.max(log, 0) * this.#pageBytes;
    } catch (error) {
      const failed = this.#failed(error, false);
      if (failed instanceof BrokenFile) throw failed;
    }
  }

  #freeBytes(): number {
    return (
      volumeFreeBytes(this.#settings.folder) + count(this.#statements.freePages) * this.#pageBytes
    );
  }

  #storedBytes(): number {
    const { pages, freePages } = this.#statements;
    return (count(pages) - count(freePages)) * this.#pageBytes;
  }
}

/** The one number that a pragma answers with. */
const count = (statement: StatementSync): number => Number(Object.values(statement.get() ?? {})[0]);

function bytesOf(fields: readonly AppendField[]): number {
  let bytes = 0;
  for (const field of fields) bytes += typeof field === "string" ? field.length : 8;
  return bytes;
}

const stillBusy = (cause: unknown) =>
  new MillraceError("MR_QUEUE_UNAVAILABLE", "The queue's file stayed locked by another process.", {
    cause,
    retryAfterSeconds: 1,
  });

/** After a failed commit nobody knows: refused events were found stored after a restart. */
const brokenTold = (cause: unknown, committing: boolean) =>
  new MillraceError(
    committing ? "MR_RESULT_UNKNOWN" : "MR_QUEUE_UNAVAILABLE",
    `The queue's file cannot be written any more: ${cause instanceof Error ? cause.message : cause}.`,
    {
      cause,
      remedy: "Check the disk; the process must be restarted. The same ids are safe to send again.",
      retryAfterSeconds: 1,
    },
  );
