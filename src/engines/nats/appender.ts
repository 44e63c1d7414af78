import type { Clock } from "../../lib/clock.ts";
import { MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import type { AppendRequest, Receipt } from "../../queue/engine.ts";
import { queueClosed } from "../../queue/faults.ts";
import type { BatchWriter, Placed } from "./batch-writer.ts";
import { packedEvent } from "./pack.ts";

/** One event on its way. */
export interface Item {
  readonly request: AppendRequest;
  readonly bytes: Buffer;
  /** Tells where the event stands, once it is known. */
  readonly settle: (placed: Placed) => void;
}

/** The events of one call that go to one partition: stored together or not at all. */
interface Part {
  readonly items: readonly Item[];
  readonly bytes: number;
  readonly settled: PromiseWithResolvers<void>;
}

/**
 * Gathers the calls that wait together into batches. A call is one round trip where nothing else
 * is under way, and shares one where much is.
 */
export class Appender {
  readonly #writer: BatchWriter;
  readonly #clock: Clock;
  readonly #receiptOf: (request: AppendRequest, placed: Placed) => Receipt;
  readonly #waiting: Part[] = [];
  #running = 0;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(
    writer: BatchWriter,
    clock: Clock,
    receiptOf: (request: AppendRequest, placed: Placed) => Receipt,
  ) {
    this.#writer = writer;
    this.#clock = clock;
    this.#receiptOf = receiptOf;
  }

  async append(requests: readonly AppendRequest[]): Promise<Receipt[]> {
    const receipts: Receipt[] = [];
    const parts = this.#partsOf(requests, receipts);
    if (this.#closed) throw queueClosed();
    this.#waiting.push(...parts);
    this.#pump();
    // All must have ended before the call does: what fails in one partition may stand in another.
    const outcomes = await Promise.allSettled(parts.map(({ settled }) => settled.promise));
    const failures = outcomes.filter(({ status }) => status === "rejected");
    if (failures.length > 0)
      throw worstOf(failures.map((one) => (one as PromiseRejectedResult).reason));
    return receipts;
  }

  /** Lets what was begun come to its end; what waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { settled } of this.#waiting.splice(0)) settled.reject(queueClosed());
    if (this.#running === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }

  #partsOf(requests: readonly AppendRequest[], receipts: Receipt[]): Part[] {
    const lines = new Map<number, Item[]>();
    for (const [at, request] of requests.entries()) {
      const { partition, event } = request;
      const settle = (placed: Placed) => {
        receipts[at] = this.#receiptOf(request, placed);
      };
      const line = lines.get(partition) ?? [];
      lines.set(partition, line);
      line.push({ request, bytes: packedEvent(event, partition), settle });
    }
    return [...lines.values()].map(partOf);
  }

  #pump(): void {
    while (this.#running < limits.natsBatchesAtOnceMax && this.#waiting.length > 0) {
      void this.#run(this.#takeBatch());
    }
  }

  /** As many as fit into one batch of the server's; one at least. */
  #takeBatch(): Part[] {
    let events = 0;
    let bytes = 0;
    let count = 0;
    for (const part of this.#waiting) {
      events += part.items.length;
      bytes += part.bytes;
      const fits = events <= limits.natsBatchEventsMax && bytes <= limits.natsBatchBytesMax;
      if (count > 0 && !fits) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #run(parts: readonly Part[]): Promise<void> {
    this.#running++;
    try {
      await this.#writer.write(
        parts.flatMap(({ items }) => items),
        this.#clock.monotonic(),
      );
      for (const { settled } of parts) settled.resolve();
    } catch (error) {
      for (const { settled } of parts) settled.reject(error);
    } finally {
      this.#running--;
      this.#pump();
      if (this.#running === 0) this.#idle?.resolve();
    }
  }
}

function partOf(items: readonly Item[]): Part {
  if (items.length > limits.natsBatchEventsMax) {
    throw new MillraceError(
      "MR_TOO_MANY_EVENTS",
      `NATS stores at most ${limits.natsBatchEventsMax} events of one partition together; these are ${items.length}.`,
      { remedy: "Send them in several requests." },
    );
  }
  const bytes = items.reduce((sum, item) => sum + item.bytes.length, 0);
  const settled = Promise.withResolvers<void>();
  // Awaited together with the others; until then a failure is nobody's surprise.
  settled.promise.catch(() => {});
  return { items, bytes, settled };
}

/** What must be told of several: that something may have been stored comes before all else. */
function worstOf(reasons: readonly unknown[]): unknown {
  const unknown = reasons.find(
    (reason) => reason instanceof MillraceError && reason.code === "MR_RESULT_UNKNOWN",
  );
  return unknown ?? reasons[0];
}
