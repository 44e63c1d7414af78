import { expect } from "vitest";
import type { Receipt } from "../../src/queue/engine.ts";
import type { Publication } from "../../src/queue/queue.ts";
import type { TraceContext } from "../../src/tracing/tracing.ts";

export const unsampled: TraceContext = {
  traceId: "1".repeat(32),
  spanId: "2".repeat(16),
  sampled: false,
};

export const publication = (id: string, data = "{}"): Publication => ({
  event: {
    id,
    source: "/test/gateway",
    type: "thing.happened",
    key: "key",
    time: "2026-01-01T00:00:00Z",
    data,
    attributes: {},
  },
});

export const publications = (prefix: string, count: number): Publication[] =>
  Array.from({ length: count }, (_, at) => publication(`${prefix}-${at}`));

/** A queue whose appends end when and how the test says; it notes what it was given. */
export class ScriptedQueue {
  readonly appends: string[][] = [];
  readonly given: Publication[] = [];
  #position = 0;
  #running: { resolve(receipts: Receipt[]): void; reject(error: Error): void } | undefined;
  #receipts: Receipt[] = [];

  append(given: readonly Publication[]): Promise<Receipt[]> {
    expect(this.#running, "one append at a time").toBeUndefined();
    this.given.push(...given);
    this.appends.push(given.map(({ event }) => event.id));
    this.#receipts = given.map(({ event }) => ({
      id: event.id,
      partition: 0,
      position: ++this.#position,
      durable: "memory",
      duplicate: false,
    }));
    const { promise, resolve, reject } = Promise.withResolvers<Receipt[]>();
    this.#running = { resolve, reject };
    return promise;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  finish(error?: Error): void {
    const running = this.#running;
    this.#running = undefined;
    if (error === undefined) running?.resolve(this.#receipts);
    else running?.reject(error);
  }
}
