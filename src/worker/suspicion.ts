import type { DatabaseEngine } from "../database/engine.ts";
import { limits } from "../lib/limits.ts";
import { formatPlace, type Place } from "./link.ts";
import { ProcessEnded } from "./outcome.ts";
import type { OwnedPartition } from "./ownership.ts";
import type { BegunAttempt, ParkedEvent, WorkerStore } from "./store.ts";

/** Noted for events that were begun together: which of them ended the process is not known. */
const amongOthers = 0;

/**
 * Remembers where a handler may have ended the process of the partition's last owner. What is begun
 * there is noted durably before it begins, so that a successor knows what ended this process, too:
 * first one event alone, then, as long as all goes well, twice as many together each time, up to
 * those of a whole pass. An attempt that was begun alone, with nothing else under way in its
 * process, and never came to an end is counted, and in the end a dead letter. Events that were
 * begun together are tried one at a time by whoever comes next, which finds the one among them.
 *
 * ```
 *   trusted ──taken from an owner that died──▶ suspected
 *      ▲                                           │
 *      └── as many events as a batch holds went ───┘
 *          well, or all that there was then
 * ```
 *
 * Who ended the process before anything was noted, or among others, counts for nobody.
 */
export class Suspicion {
  readonly #database: DatabaseEngine;
  readonly #store: WorkerStore;
  readonly #suspected = new Map<number, { readonly end: number; eventsLeft: number }>();
  /** By place, attempts that were begun and never came to an end. */
  readonly #brokenOff = new Map<string, BegunAttempt>();
  /** How many may be begun at once. */
  #together = 1;

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
    this.lost(left);
    for (const partition of died) {
      const end = ends.get(partition) ?? 0;
      this.#suspected.set(partition, { end, eventsLeft: limits.passEventsMax });
    }
    if (died.length > 0) this.#together = 1;
    for (const one of begun) this.#brokenOff.set(formatPlace(one), one);
  }

  lost(partitions: readonly number[]): void {
    for (const partition of partitions) this.#suspected.delete(partition);
    const gone = new Set(partitions);
    for (const [name, { partition }] of this.#brokenOff) {
      if (gone.has(partition)) this.#brokenOff.delete(name);
    }
  }

  covers(partition: number): boolean {
    return this.#suspected.has(partition);
  }

  /** A parked event that has ended a process is never tried among others again. */
  coversLine(head: ParkedEvent): boolean {
    return this.covers(head.partition) || head.error?.name === ProcessEnded.name;
  }

  /** How many of these events, from the first one on, may be begun together: one at least. */
  togetherOf(events: readonly Place[]): number {
    const isKnown = (place: Place) => this.#brokenOff.has(formatPlace(place));
    const known = this.#brokenOff.size === 0 ? -1 : events.findIndex(isKnown);
    return Math.max(1, Math.min(this.#together, known === -1 ? events.length : known));
  }

  /**
   * Notes that attempts begin, together if there are several. Where there is one, and the same or a
   * later attempt of it was begun alone before and never came to an end, that one's number: it
   * ended the process, and this one must not begin.
   */
  async begin(attempts: readonly BegunAttempt[]): Promise<number | undefined> {
    const [one] = attempts;
    if (one === undefined) return undefined;
    const isAlone = attempts.length === 1;
    if (isAlone) {
      const brokenOff = this.#brokenOff.get(formatPlace(one))?.attempt;
      if (brokenOff !== undefined && brokenOff >= one.attempt) return brokenOff;
    }
    const noted = attempts.map((begun) => (isAlone ? begun : { ...begun, attempt: amongOthers }));
    await this.#database.transaction((tx) => this.#store.begin(tx, noted));
    return undefined;
  }

  /** Events that were begun together went through, one way or another. */
  passed(events: readonly Place[]): void {
    this.#together = Math.min(2 * this.#together, limits.passEventsMax);
    for (const event of events) this.#count(event);
  }

  /** Nothing of these is begun any more. */
  async over(events: readonly Place[]): Promise<void> {
    await this.#database.transaction((tx) => this.#store.over(tx, events));
  }

  /** The head of a line went through, which tells nothing of how many may go together. */
  linePassed(head: Place): void {
    this.#count(head);
  }

  /** Nothing that was there when the partitions were taken is left of what lies before these. */
  reached(owned: Iterable<OwnedPartition>): void {
    if (this.#suspected.size === 0) return;
    for (const { partition, position } of owned) {
      const end = this.#suspected.get(partition)?.end;
      if (end !== undefined && position >= end) this.#suspected.delete(partition);
    }
  }

  #count(place: Place): void {
    this.#brokenOff.delete(formatPlace(place));
    const { partition } = place;
    const suspected = this.#suspected.get(partition);
    if (suspected === undefined) return;
    suspected.eventsLeft -= 1;
    if (suspected.eventsLeft <= 0) this.#suspected.delete(partition);
  }
}
