import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { idMaker } from "../../src/lib/ids.ts";
import type { AppendRequest, QueueEngine } from "../../src/queue/engine.ts";
import { partitionOf } from "../../src/queue/partition.ts";
import { dataFolderAt, openDataFolder } from "../../src/runtime/data-folder.ts";
import { eventType, keyCount, timeField } from "../load/request.ts";

const source = "/bench";
const fillBatch = 5_000;

/**
 * A queue filled through the engine's own append, without the way over HTTP: for what is asked of
 * a long backlog, how it came about does not matter.
 */
export class FilledQueue implements AsyncDisposable {
  readonly #queue: QueueEngine;
  readonly #nextId = idMaker();
  #number: number;

  /** `count`: how many events it has got already. */
  static async open(data: string, count = 0): Promise<FilledQueue> {
    await openDataFolder(data);
    const queue = await openSqliteQueue({ folder: dataFolderAt(data).queue });
    return new FilledQueue(queue, count);
  }

  private constructor(queue: QueueEngine, count: number) {
    this.#queue = queue;
    this.#number = count;
  }

  /** How many events it has got. */
  get count(): number {
    return this.#number;
  }

  async fillTo(count: number): Promise<void> {
    while (this.#number < count) {
      await this.#append(Math.min(fillBatch, count - this.#number));
    }
  }

  /** Events a second, appended one batch after the other. */
  async appendRate(batch: number, seconds: number): Promise<number> {
    const started = performance.now();
    const before = this.#number;
    while (performance.now() - started < seconds * 1_000) await this.#append(batch);
    return ((this.#number - before) * 1_000) / (performance.now() - started);
  }

  /** Events of so many different keys, which their handlers put off. */
  async park(keys: number): Promise<void> {
    for (let from = 0; from < keys; from += fillBatch) {
      const count = Math.min(fillBatch, keys - from);
      const requests = Array.from({ length: count }, (_, at) =>
        this.#request(`parked-${from + at}`, from + at, "park"),
      );
      await this.#queue.append(requests);
    }
  }

  async #append(count: number): Promise<void> {
    const requests = Array.from({ length: count }, () => {
      const n = this.#number++;
      return this.#request(`u${String(n % keyCount).padStart(3, "0")}`, n, "notes");
    });
    await this.#queue.append(requests);
  }

  #request(key: string, n: number, text: string): AppendRequest {
    const data = JSON.stringify({ key, n, at: timeField(0), text });
    const time = "2026-01-01T00:00:00Z";
    const event = { id: this.#nextId(), source, type: eventType, key, time, data, attributes: {} };
    return { partition: partitionOf(key, this.#queue.partitions), event };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
  }
}
