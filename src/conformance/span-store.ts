import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { SpanRecord, SpanStore } from "../tracing/span-store.ts";
import type { TestApi } from "./test-api.ts";

/** The store under test. */
export interface SpanStoreSubject {
  /** Shown in the tests' names. */
  readonly name: string;
  /** Opens a new, empty store that keeps at most `spansMax` spans. */
  open(options: { readonly spansMax: number }): Promise<SpanStore>;
}

/** Declares the tests that every span store must pass: each promise of the port by a scenario. */
export function spanStoreConformance({ describe, it }: TestApi, subject: SpanStoreSubject): void {
  describe(`span store conformance: ${subject.name}`, () => {
    for (const { name, run } of scenarios) {
      it(name, async () => {
        const store = await subject.open({ spansMax });
        try {
          await run(store);
        } finally {
          await store.close();
        }
      });
    }
  });
}

interface Scenario {
  readonly name: string;
  run(store: SpanStore): Promise<void>;
}

const spansMax = 100;
const trace = "0af7651916cd43dd8448eb211c80319c";
const otherTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

const scenario = (name: string, run: Scenario["run"]): Scenario => ({ name, run });

const scenarios: readonly Scenario[] = [
  scenario("gives a trace's spans by their start, whatever the order of writing", async (store) => {
    const [first, second, third] = [spanAt(10), spanAt(20), spanAt(30)];
    await store.write([third, first]);
    await store.write([spanAt(15, { traceId: otherTrace }), second]);
    deepStrictEqual(startsOf(await store.trace(trace)), [10, 20, 30]);
  }),

  scenario("gives back every member of a span", async (store) => {
    const span = spanAt(1, {
      parentSpanId: "00f067aa0ba902b7",
      hop: 5,
      hopName: "message queue → worker A",
      worker: "timelines",
      waitUs: 7,
      eventId: randomUUID(),
      error: "MR_FENCED",
      attributes: { "messaging.system.name": "millrace", count: 3, late: true },
    });
    await store.write([span]);
    deepStrictEqual(plain(await store.trace(trace)), plain([span]));
  }),

  scenario("knows nothing of traces and events that never were", async (store) => {
    await store.write([spanAt(1)]);
    deepStrictEqual(await store.trace(otherTrace), []);
    deepStrictEqual(await store.tracesOf(randomUUID()), []);
  }),

  scenario("finds an event's traces once each, the last written first", async (store) => {
    const eventId = randomUUID();
    await store.write([spanAt(1, { eventId }), spanAt(2, { eventId })]);
    await store.write([spanAt(3, { traceId: otherTrace, eventId })]);
    deepStrictEqual(await store.tracesOf(eventId), [otherTrace, trace]);
  }),

  scenario("forgets the oldest spans beyond its bound", async (store) => {
    for (let at = 0; at < spansMax * 3; at += 10) {
      await store.write(Array.from({ length: 10 }, (_, index) => spanAt(at + index)));
    }
    const kept = startsOf(await store.trace(trace));
    strictEqual(kept.length, spansMax);
    deepStrictEqual([kept[0], kept.at(-1)], [spansMax * 2, spansMax * 3 - 1]);
  }),

  scenario("takes an empty batch, and closing twice", async (store) => {
    await store.write([]);
    await store.close();
    await store.close();
  }),
];

function spanAt(startUs: number, members: Partial<SpanRecord> = {}): SpanRecord {
  return {
    traceId: trace,
    spanId: startUs.toString(16).padStart(16, "f"),
    parentSpanId: undefined,
    name: "send post.published",
    kind: "client",
    hop: undefined,
    hopName: undefined,
    worker: undefined,
    box: "gateway 1",
    pid: 1,
    startUs,
    durationUs: 10,
    waitUs: 0,
    eventId: undefined,
    error: undefined,
    attributes: {},
    ...members,
  };
}

const startsOf = (spans: readonly SpanRecord[]): number[] => spans.map(({ startUs }) => startUs);

/** Stores may leave members out that are undefined. */
const plain = (spans: readonly SpanRecord[]): unknown => JSON.parse(JSON.stringify(spans));
