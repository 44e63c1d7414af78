import type { Transaction } from "../database/engine.ts";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent } from "../queue/engine.ts";
import type { Ledger } from "./ledger.ts";
import type { WorkerStore } from "./store.ts";

/** Thrown through a transaction: the event's line has no room, so its partition must stop here. */
export class LineFull extends Error {
  override readonly name = "LineFull";
  readonly partition: number;
  readonly position: number;
  readonly key: string;

  constructor({ partition, position, event }: QueuedEvent, what: string) {
    super(`${what}; its partition ${partition} waits until there is room again.`);
    this.partition = partition;
    this.position = position;
    this.key = event.key;
  }
}

export interface LineBounds {
  readonly perKeyMax: number;
  readonly perPartitionMax: number;
}

/**
 * Bounds what waits in the worker's database. What has no room there stays in the queue, which is
 * made to keep it: the partition stops, and goes on when a tenth of the room is free again.
 */
export class Lines {
  readonly #store: WorkerStore;
  readonly #bounds: LineBounds;
  /** Partition → events in its lines; undefined where that must be counted first. */
  #counts: Map<number, number> | undefined;

  constructor(
    store: WorkerStore,
    bounds: LineBounds = {
      perKeyMax: limits.parkedPerKeyMax,
      perPartitionMax: limits.parkedPerPartitionMax,
    },
  ) {
    this.#store = store;
    this.#bounds = bounds;
  }

  /** Others may have changed the lines. */
  forget(): void {
    this.#counts = undefined;
  }

  /** @throws LineFull */
  async join(tx: Transaction, queued: QueuedEvent, ledger: Ledger): Promise<void> {
    const { perKeyMax, perPartitionMax } = this.#bounds;
    const { partition, event } = queued;
    if (ledger.lineOf(event.key) >= perKeyMax) {
      throw new LineFull(
        queued,
        `${perKeyMax} events wait behind each other in the key ${event.key}`,
      );
    }
    this.#counts ??= await this.#store.parkedCounts(tx);
    if ((this.#counts.get(partition) ?? 0) + ledger.joinedIn(partition) >= perPartitionMax) {
      throw new LineFull(queued, `${perPartitionMax} events are parked`);
    }
    ledger.follow(queued);
  }

  /** A transaction has committed that made the lines of a partition longer or shorter. */
  changed(partition: number, by: number): void {
    const count = this.#counts?.get(partition) ?? 0;
    this.#counts?.set(partition, Math.max(0, count + by));
  }

  /** Whether a stopped partition may go on. */
  async hasRoom(tx: Transaction, { partition, key }: LineFull): Promise<boolean> {
    const { perKeyMax, perPartitionMax } = this.#bounds;
    const total = (await this.#store.parkedCounts(tx)).get(partition) ?? 0;
    const line = await this.#store.lineLength(tx, key);
    return total <= perPartitionMax * 0.9 && line <= perKeyMax * 0.9;
  }
}
