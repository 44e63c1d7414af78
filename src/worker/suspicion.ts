import type { DatabaseEngine } from "../database/engine.ts";
import { limits } from "../lib/limits.ts";
import { formatPlace, type Place } from "./link.ts";
import { ProcessEnded } from "./outcome.ts";
import type { OwnedPartition } from "./ownership.ts";
import type { ParkedEvent, WorkerStore } from "./store.ts";

/**
 * Remembers where a handler may have ended the process of the partition's last owner. There, events
 * go one at a time, and each attempt is noted durably before it begins: an attempt that ends the
 * process, too, is then known to its successor, counted, and in the end a dead letter.
 *
 * ```
 *   trusted ──taken from an owner that died──▶ suspected
 *      ▲                                           │
 *      └── as many events as a batch holds went ───┘
 *          well, or all that there was then
 * ```
 *
 * Who ended the process before anything was noted is not known, so that first time counts for
 * nobody.
 */
export class Suspicion {
  readonly #database: DatabaseEngine;
  readonly #store: WorkerStore;
  readonly #suspected = new Map<number, { readonly end: number; eventsLeft: number }>();
  readonly #brokenOff = new Map<string, number>();

  constructor(database: DatabaseEngine, store: WorkerStore) {
    this.#database = database;
    this.#store = store;
  }

  /** Partitions were taken; `ends` tells where each ended at that time. */
  async take(taken: readonly OwnedPartition[], ends: ReadonlyMap<number, number>): Promise<void> {
    const after = (fate: OwnedPartition["predecessor"]) =>
      taken.filter(({ predecessor }) => predecessor === fate).map(({ partition }) => partition);
    const died = after("died");
    const left = after("left");
    if (died.length === 0 && left.length === 0) return;
    const begun = await this.#database.transaction(async (tx) => {
      // Whoever stopped in order was interrupted, not ended by the event.
      await this.#store.over(tx, await this.#store.begun(tx, left));
      return await this.#store.begun(tx, died);
    });
    for (const partition of left) this.#suspected.delete(partition);
    for (const partition of died) {
      const end = ends.get(partition) ?? 0;
      this.#suspected.set(partition, { end, eventsLeft: limits.passEventsMax });
    }
    for (const { attempt, ...place } of begun) this.#brokenOff.set(formatPlace(place), attempt);
  }

  lost(partitions: readonly number[]): void {
    for (const partition of partitions) this.#suspected.delete(partition);
  }

  covers(partition: number): boolean {
    return this.#suspected.has(partition);
  }

  /** A parked event that has ended a process is never tried among others again. */
  coversLine(head: ParkedEvent): boolean {
    return this.covers(head.partition) || head.error?.name === ProcessEnded.name;
  }

  /**
   * Notes that an attempt begins. Where the same or a later one was begun before and never came to
   * an end, that one's number: it ended the process, and this one must not begin.
   */
  async begin(place: Place, attempt: number): Promise<number | undefined> {
    const name = formatPlace(place);
    const brokenOff = this.#brokenOff.get(name);
    this.#brokenOff.delete(name);
    if (brokenOff !== undefined && brokenOff >= attempt) return brokenOff;
    await this.#database.transaction((tx) => this.#store.begin(tx, place, attempt));
    return undefined;
  }

  /** An event of the partition went through, one way or another. */
  passed(partition: number): void {
    const suspected = this.#suspected.get(partition);
    if (suspected === undefined) return;
    suspected.eventsLeft -= 1;
    if (suspected.eventsLeft <= 0) this.#suspected.delete(partition);
  }

  /** Nothing that was there when the partitions were taken is left of what lies before these. */
  reached(owned: Iterable<OwnedPartition>): void {
    if (this.#suspected.size === 0) return;
    for (const { partition, position } of owned) {
      const end = this.#suspected.get(partition)?.end;
      if (end !== undefined && position >= end) this.#suspected.delete(partition);
    }
  }
}
