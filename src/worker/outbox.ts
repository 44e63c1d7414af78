import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { Queue } from "../queue/queue.ts";
import { parseTraceparent, type Tracing } from "../tracing/tracing.ts";
import type { Observe } from "./pass-points.ts";
import type { OutboxRow, WorkerStore } from "./store.ts";

export interface OutboxParts {
  readonly worker: string;
  readonly store: WorkerStore;
  readonly database: DatabaseEngine;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly tracing: Tracing;
  readonly log: Log;
  readonly observe?: Observe;
}

/** Where confirmed rows are removed in transactions of their own: many with each. */
const sweepMs = limits.heartbeatMs / 4;

/**
 * Relays emitted events to the queue, in order, after the commit that stored them. A crash between
 * the queue's receipt and the row's removal relays the same ids again, which the queue tells apart.
 * Rows that the queue has confirmed are removed by the next transaction that happens anyway; or,
 * where the database lets others in, now and then beside it: there, a transaction that removes rows
 * and one that adds some would stand in each other's way.
 */
export class Outbox {
  readonly #parts: OutboxParts;
  #waiting: OutboxRow[] = [];
  #confirmed: number[] = [];
  #relaying: Promise<void> | undefined;
  #sweeping: Promise<void> | undefined;
  readonly #stop = new AbortController();

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** Events that the queue has not confirmed. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Rows that were committed just now; they follow those of earlier commits. */
  add(rows: readonly OutboxRow[]): void {
    if (rows.length === 0) return;
    this.#waiting.push(...rows);
    this.#relaying ??= this.#relay().finally(() => {
      this.#relaying = undefined;
    });
  }

  /** What a former owner of these partitions left behind. */
  async adopt(partitions: readonly number[]): Promise<void> {
    const { database, store } = this.#parts;
    const known = new Set(this.#waiting.map(({ seq }) => seq));
    for (let after = 0; ; ) {
      const left = await database.transaction((tx) =>
        store.posted(tx, partitions, after, limits.outboxRelayEventsMax),
      );
      this.add(left.filter(({ seq }) => !known.has(seq)));
      const last = left.at(-1);
      if (last === undefined || left.length < limits.outboxRelayEventsMax) return;
      after = last.seq;
    }
  }

  /** Forgets rows of partitions that others relay now. */
  drop(partitions: readonly number[]): void {
    const lost = new Set(partitions);
    this.#waiting = this.#waiting.filter(({ partition }) => !lost.has(partition));
  }

  /** Removes confirmed rows within a transaction; `removed` tells that it has committed. */
  async sweep(tx: Transaction): Promise<readonly number[]> {
    const seqs = [...this.#confirmed];
    await this.#parts.store.confirm(tx, seqs);
    return seqs;
  }

  removed(seqs: readonly number[]): void {
    if (seqs.length === 0) return;
    const gone = new Set(seqs);
    this.#confirmed = this.#confirmed.filter((seq) => !gone.has(seq));
  }

  /** Whether the next transaction is to remove rows. */
  get wantsSweep(): boolean {
    return this.#confirmed.length > 0 && this.#parts.database.beside === undefined;
  }

  /** Waits until nothing is under way. */
  async idle(): Promise<void> {
    await this.#relaying;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#relaying;
    await this.#sweeping;
  }

  async #relay(): Promise<void> {
    const { clock, log } = this.#parts;
    let failures = 0;
    while (this.#waiting.length > 0) {
      const rows = this.#waiting.slice(0, limits.outboxRelayEventsMax);
      try {
        await this.#append(rows);
        const done = new Set(rows.map(({ seq }) => seq));
        this.#waiting = this.#waiting.filter(({ seq }) => !done.has(seq));
        this.#confirmed.push(...done);
        this.#sweepBeside();
        failures = 0;
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        failures += 1;
        log.warn({ err: asError(thrown), events: rows.length }, "the outbox waits for the queue");
        const delay = Math.min(limits.dependencyBackoffMaxMs, 50 * 2 ** failures);
        await clock.sleep(delay, this.#stop.signal);
      }
    }
  }

  #sweepBeside(): void {
    if (this.#parts.database.beside === undefined) return;
    this.#sweeping ??= this.#sweepAll().finally(() => {
      this.#sweeping = undefined;
    });
  }

  async #sweepAll(): Promise<void> {
    const { clock, database, observe } = this.#parts;
    while (this.#confirmed.length > 0) {
      await clock.sleep(sweepMs, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      const sweep = async (tx: Transaction) => {
        const seqs = await this.sweep(tx);
        observe?.("before-sweep");
        return seqs;
      };
      // Whatever stands against it may be gone the next time.
      const swept = (await database.beside?.(sweep).catch(() => [])) ?? [];
      if (swept.length > 0) observe?.("after-sweep");
      this.removed(swept);
    }
  }

  async #append(rows: readonly OutboxRow[]): Promise<void> {
    const { observe, queue, tracing, worker } = this.#parts;
    const hops = rows.map(({ event }) => {
      const context = parseTraceparent(event.attributes.traceparent);
      if (context?.sampled !== true) return undefined;
      const name = `send ${event.type}`;
      // The hop belongs to the event that caused this one.
      const depth = (event.attributes.depth ?? 1) - 1;
      return tracing.hop("worker → message queue", context, {
        name,
        eventId: event.id,
        depth,
        worker,
      });
    });
    observe?.("before-relay");
    const receipts = await queue.append(rows.map(({ event }) => ({ event })));
    observe?.("after-relay");
    for (const [at, hop] of hops.entries()) {
      // Where another had relayed it before, that was the hop.
      if (receipts[at]?.duplicate === false) hop?.end();
    }
  }
}
