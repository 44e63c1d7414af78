import { assert } from "../../lib/errors.ts";
import type { Place, ScheduledId } from "../../worker/link.ts";
import type { Worker } from "../../worker/worker.ts";

/**
 * Several instances of a worker in one process, each with partitions and transactions of its own:
 * while one waits for its database, the others get on. They share the partitions as instances in
 * different processes do, and for those who ask they are one.
 */
export class Lanes implements Worker {
  readonly name: string;
  readonly #first: Worker;
  readonly #lanes: readonly Worker[];

  constructor(lanes: readonly Worker[]) {
    const [first] = lanes;
    assert(first !== undefined, "a worker has a lane");
    this.name = first.name;
    this.#first = first;
    this.#lanes = lanes;
  }

  get waitingFor(): string | undefined {
    return this.#lanes.find(({ waitingFor }) => waitingFor !== undefined)?.waitingFor;
  }

  /** The first one brings the tables up to date; the others find them so. */
  async start(): Promise<void> {
    await this.#first.start();
    await Promise.all(this.#lanes.map((lane) => lane.start()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  query(name: string, search: string, after: readonly Place[], ...signals: readonly AbortSignal[]) {
    return this.#first.query(name, search, after, ...signals);
  }

  async standing(place: Place, waitMs: number, signal?: AbortSignal) {
    return await this.#first.standing(place, waitMs, signal);
  }

  async cancel(scheduled: ScheduledId, place?: Place, signal?: AbortSignal) {
    return await this.#first.cancel(scheduled, place, signal);
  }

  async progress(signal?: AbortSignal) {
    return await this.#first.progress(signal);
  }
}
