import type { DatabaseEngine } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { formatPlace, type Place } from "./link.ts";

/**
 * How far this worker has come, and who waits for it to come further. For partitions of this
 * instance it knows at once, cache refresh included; for those of others it looks into the
 * database.
 */
export class Progress {
  readonly #database: DatabaseEngine;
  readonly #clock: Clock;
  readonly #applied = new Map<number, number>();
  #waiters = new Set<() => void>();

  constructor(database: DatabaseEngine, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Tells that a partition is applied up to a position, its touched keys released. */
  reached(positions: Iterable<readonly [number, number]>): void {
    for (const [partition, position] of positions) this.#applied.set(partition, position);
    this.wake();
  }

  /** Others own these partitions now. */
  lost(partitions: readonly number[]): void {
    for (const partition of partitions) this.#applied.delete(partition);
  }

  /** Something happened that waiters may be waiting for. */
  wake(): void {
    if (this.#waiters.size === 0) return;
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const wake of waiters) wake();
  }

  async position(partition: number): Promise<number> {
    return this.#applied.get(partition) ?? (await this.positions()).get(partition) ?? 0;
  }

  async positions(): Promise<Map<number, number>> {
    const rows = await this.#database.read<{ partition: number; position: number }>(
      "select partition, position from millrace_positions",
    );
    const positions = new Map(rows.map(({ partition, position }) => [partition, position]));
    for (const [partition, position] of this.#applied) {
      positions.set(partition, Math.max(position, positions.get(partition) ?? 0));
    }
    return positions;
  }

  /**
   * Resolves once the place is behind the worker, whatever became of its event.
   *
   * @throws MR_AFTER_TIMEOUT where the worker does not come to the place in time
   */
  async awaitPlace(worker: string, place: Place, signal?: AbortSignal): Promise<void> {
    await this.#await(() => this.#isBehind(place), worker, place, signal);
  }

  /**
   * Resolves once the event of the place has done what it does: also where it had to be tried
   * again, or waits in the line of its key meanwhile.
   *
   * @throws MR_AFTER_TIMEOUT where that takes too long
   */
  async awaitEffects(worker: string, place: Place, signal?: AbortSignal): Promise<void> {
    // In this order: what passes the place is put into its line by the same commit.
    const isOver = async () => (await this.#isBehind(place)) && !(await this.#isInLine(place));
    await this.#await(isOver, worker, place, signal);
  }

  async #isBehind({ partition, position }: Place): Promise<boolean> {
    return (await this.position(partition)) >= position;
  }

  async #isInLine({ partition, position }: Place): Promise<boolean> {
    const found = await this.#database.read(
      "select 1 as one from millrace_parked where partition = $1 and position = $2",
      [partition, position],
    );
    return found.length > 0;
  }

  async #await(
    isTrue: () => Promise<boolean>,
    worker: string,
    place: Place,
    signal?: AbortSignal,
  ): Promise<void> {
    if (await this.until(isTrue, limits.afterWaitMs, signal)) return;
    throw new MillraceError(
      "MR_AFTER_TIMEOUT",
      `${worker} has not come to ${formatPlace(place)} in time.`,
      { retryAfterSeconds: 1, remedy: "Try again a little later." },
    );
  }

  /** Asks again whenever something happened here, and now and then for what happens elsewhere. */
  async until(
    isTrue: () => Promise<boolean>,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const deadline = this.#clock.monotonic() + waitMs;
    while (!(await isTrue())) {
      const left = deadline - this.#clock.monotonic();
      if (left <= 0 || signal?.aborted) return false;
      await this.#nextEvent(Math.min(left, limits.progressPollMs), signal);
    }
    return true;
  }

  async #nextEvent(ms: number, signal?: AbortSignal): Promise<void> {
    const happened = new AbortController();
    const wake = () => happened.abort();
    this.#waiters.add(wake);
    signal?.addEventListener("abort", wake, { once: true });
    await this.#clock.sleep(ms, happened.signal);
    this.#waiters.delete(wake);
    signal?.removeEventListener("abort", wake);
  }
}
