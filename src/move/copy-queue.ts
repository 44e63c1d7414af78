import { createHash, type Hash } from "node:crypto";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { AppendRequest, QueuedEvent, QueueEngine, Receipt } from "../queue/engine.ts";
import { lostTailFault, trimmedFault } from "../queue/faults.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { WaitingEvent } from "./waiting-events.ts";

/** Partition → position. */
export type Positions = ReadonlyMap<number, number>;

export interface CopyQueueParts {
  readonly from: QueueEngine;
  readonly to: QueueEngine;
  /** Worker → how far it has come in the queue that is moved. */
  readonly applied: ReadonlyMap<string, Positions>;
  /** What the workers have put aside, in the order of its places. */
  readonly waiting: AsyncIterable<WaitingEvent>;
  readonly signal: AbortSignal;
  readonly onProgress: (part: string, done: number, total: number) => void;
}

export interface CopiedQueue {
  readonly events: number;
  /** Ids that are remembered although their events are gone. */
  readonly ids: number;
  /** Events whose id stands there twice: workers pass over the second, so it stays behind. */
  readonly repeats: number;
  /** SHA-256 over what each partition holds, in its order: the same in both queues. */
  readonly checksum: string;
  /** Worker → how far it has come, in the new queue. */
  readonly applied: ReadonlyMap<string, Map<number, number>>;
}

/**
 * Appends all that a queue holds to another one, each partition in its order, which is the order of
 * each key. Whatever engine it is: appending an id again answers with its first receipt, so a copy
 * that was broken off begins anew and ends with the same places.
 *
 * First come the ids that outlive their events, and with them everything that workers have put
 * aside and the queue has let go of: so each has a place in the new queue, too, in the same order.
 * They go as empty events, which are trimmed before anything else is appended.
 *
 * ```
 *   ids of trimmed events → trim → events → read both and compare
 * ```
 */
export async function copyQueue(parts: CopyQueueParts): Promise<CopiedQueue> {
  return await new QueueCopy(parts).run();
}

/** How many events of a partition there are, and which. */
class Line {
  count = 0;
  readonly #hash: Hash = createHash("sha256");

  add({ id, source, type, key, time, data, attributes }: EventRecord): void {
    this.count += 1;
    this.#hash.update(`${JSON.stringify([id, source, type, key, time, data, attributes])}\n`);
  }

  get sum(): string {
    return `${this.count} ${this.#hash.copy().digest("hex")}`;
  }
}

class QueueCopy {
  readonly #parts: CopyQueueParts;
  readonly #applied: ReadonlyMap<string, Map<number, number>>;
  /** By partition: the newest place in the new queue, and what was appended for good. */
  readonly #last = new Map<number, number>();
  readonly #lines = new Map<number, Line>();
  #ids = 0;
  #events = 0;
  #repeats = 0;

  constructor(parts: CopyQueueParts) {
    this.#parts = parts;
    this.#applied = new Map([...parts.applied.keys()].map((worker) => [worker, new Map()]));
  }

  async run(): Promise<CopiedQueue> {
    const trimmed = await trimmedOf(this.#parts.from);
    await this.#refuseGaps(trimmed);
    await this.#recall(trimmed);
    await this.#copy(trimmed);
    await this.#compare();
    const sums = createHash("sha256");
    for (let partition = 0; partition < this.#parts.to.partitions; partition++) {
      sums.update(`${lineOf(this.#lines, partition).sum}\n`);
    }
    return {
      ...{ events: this.#events, ids: this.#ids, repeats: this.#repeats },
      checksum: sums.digest("hex"),
      applied: this.#applied,
    };
  }

  /** A worker that has missed events, or read ones that are lost, must not pass for a sound one. */
  async #refuseGaps(trimmed: Positions): Promise<void> {
    const ends = await this.#parts.from.ends();
    for (const positions of this.#parts.applied.values()) {
      for (const [partition, position] of positions) {
        const [first, end] = [trimmed.get(partition) ?? 0, ends.get(partition) ?? 0];
        if (position < first) throw trimmedFault(partition, position, first);
        if (position > end) throw lostTailFault(partition, position, end);
      }
    }
  }

  async #recall(trimmed: Positions): Promise<void> {
    const { from, to, waiting } = this.#parts;
    let batch: AppendRequest[] = [];
    const flush = async () => {
      for (const { partition, position } of await this.#append(batch))
        this.#move(partition, position);
      batch = [];
    };
    const recall = async (name: string, source: string, partition: number, print?: string) => {
      this.#ids += 1;
      batch.push(emptyEvent(name, source, partition, print));
      if (batch.length === limits.appendBatchEventsMax) await flush();
    };
    for await (const { partition, position, id, source } of waiting) {
      if (position > (trimmed.get(partition) ?? 0)) continue;
      const known = await from.find(id, source);
      if (known.some((other) => other.position > position)) throw idUsedTwice(id, source);
      await recall(id, source, partition, known[0]?.fingerprint);
    }
    await flush();
    for (let after = { id: "", source: "" }; from.trimmedIds !== undefined; ) {
      const page = await from.trimmedIds(after, limits.appendBatchEventsMax);
      for (const one of page) await recall(one.id, one.source, one.partition, one.fingerprint);
      const last = page.at(-1);
      if (last === undefined) break;
      after = { id: last.id, source: last.source };
    }
    await flush();
    for (const [partition, position] of this.#last) {
      await to.trim(partition, position);
      for (const positions of this.#applied.values()) positions.set(partition, position);
    }
  }

  async #copy(trimmed: Positions): Promise<void> {
    const { from, onProgress } = this.#parts;
    const { storedEvents } = await from.health();
    await forEachBatch(from, trimmed, async (events) => {
      const requests = await inParallel(events, async ({ partition, event }) => {
        const [known] = await from.find(event.id, event.source);
        const fingerprint = known?.fingerprint;
        return { partition, event, ...(fingerprint === undefined ? {} : { fingerprint }) };
      });
      const receipts = await this.#append(requests);
      for (const [at, queued] of events.entries()) this.#settle(queued, receipts[at] as Receipt);
      onProgress("moving the queue", this.#events + this.#repeats, storedEvents);
    });
  }

  /** What was stored for good stands behind all that came before; a repeat stands further front. */
  #settle({ partition, position, event }: QueuedEvent, receipt: Receipt): void {
    const isHere = receipt.partition === partition;
    if (isHere && this.#move(partition, receipt.position)) {
      this.#events += 1;
      lineOf(this.#lines, partition).add(event);
    } else {
      this.#repeats += 1;
    }
    for (const [worker, positions] of this.#applied) {
      if (position > (this.#parts.applied.get(worker)?.get(partition) ?? 0)) continue;
      positions.set(partition, this.#last.get(partition) ?? 0);
    }
  }

  #move(partition: number, position: number): boolean {
    if (position <= (this.#last.get(partition) ?? 0)) return false;
    this.#last.set(partition, position);
    return true;
  }

  async #append(requests: readonly AppendRequest[]): Promise<readonly Receipt[]> {
    this.#parts.signal.throwIfAborted();
    return requests.length === 0 ? [] : await this.#parts.to.append(requests);
  }

  /** Reads the new queue: it has these events, in this order, and no others. */
  async #compare(): Promise<void> {
    const { to, signal, onProgress } = this.#parts;
    const found = new Map<number, Line>();
    let done = 0;
    await forEachBatch(to, await trimmedOf(to), async (events) => {
      signal.throwIfAborted();
      for (const { partition, event } of events) lineOf(found, partition).add(event);
      done += events.length;
      onProgress("comparing the queues", done, this.#events);
    });
    for (let partition = 0; partition < to.partitions; partition++) {
      const [wanted, is] = [lineOf(this.#lines, partition), lineOf(found, partition)];
      if (wanted.sum === is.sum) continue;
      throw new MillraceError(
        "MR_MOVE_DIFFERS",
        `Partition ${partition} of the new queue holds ${is.count} events, which are not the ${wanted.count} that were moved.`,
        { remedy: "Something else writes to it. Empty the target and begin anew." },
      );
    }
  }
}

const lineOf = (lines: Map<number, Line>, partition: number): Line => {
  const line = lines.get(partition) ?? new Line();
  lines.set(partition, line);
  return line;
};

const emptyEvent = (
  id: string,
  source: string,
  partition: number,
  fingerprint: string | undefined,
): AppendRequest => ({
  partition,
  event: {
    ...{ id, source, type: "millrace.moved", key: id, time: new Date(0).toISOString() },
    ...{ data: "null", attributes: {} },
  },
  ...(fingerprint === undefined ? {} : { fingerprint }),
});

/** Partition → the newest position that was trimmed: where the oldest event lies behind. */
export async function trimmedOf(queue: QueueEngine): Promise<Positions> {
  const trimmed = new Map<number, number>();
  for (let partition = 0; partition < queue.partitions; partition++) {
    trimmed.set(partition, await queue.positionAt(partition, 0));
  }
  return trimmed;
}

/** Hands on everything that a queue holds now. */
async function forEachBatch(
  queue: QueueEngine,
  from: Positions,
  work: (events: readonly QueuedEvent[]) => Promise<void>,
): Promise<void> {
  const subscription = queue.subscribe(from);
  try {
    for (;;) {
      const { events, positions } = await subscription.next(limits.appendBatchEventsMax, 0);
      if (positions.size === 0) return;
      await work(events);
    }
  } finally {
    await subscription.close();
  }
}

/** A few at a time: a server that is asked for all at once answers none in time. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += limits.moveQuestionsMax) {
    const part = items.slice(at, at + limits.moveQuestionsMax);
    results.push(...(await Promise.all(part.map(work))));
  }
  return results;
}

/** To the new queue they would be one event, and the one that is not handled yet would be lost. */
const idUsedTwice = (id: string, source: string): MillraceError =>
  new MillraceError(
    "MR_MOVE_SOURCE",
    `The id ${id} of ${source} is that of an event in the queue, and of an earlier one that still waits for a time or a person.`,
    { remedy: "Decide about the earlier one first: its dead letter, or what it is scheduled for." },
  );
