/**
 * What the recorder makes of hops: spans as OpenTelemetry names them, joined across processes by
 * traceparent alone; nothing for what is not sampled or never ended; and never a stall or an error
 * for the caller, whatever the store does. A memory store and a clock turned by hand.
 */
import { afterEach, describe, expect, test, vi } from "vitest";
import { openMemorySpanStore } from "../../src/engines/memory/span-store.ts";
import { limits } from "../../src/lib/limits.ts";
import { workerLetters } from "../../src/tracing/hops.ts";
import { createTracing, type RecordingTracing } from "../../src/tracing/recorder.ts";
import { createSampler, sampleAll } from "../../src/tracing/sampler.ts";
import type { SpanStore } from "../../src/tracing/span-store.ts";
import { formatTraceparent } from "../../src/tracing/tracing.ts";
import { type HandClock, handClock } from "../support/hand-clock.ts";

const given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const givenTrace = "0af7651916cd43dd8448eb211c80319c";

let clock: HandClock;
let tracing: RecordingTracing | undefined;
afterEach(async () => await tracing?.stop());

function record(store: SpanStore = openMemorySpanStore(), sampler = sampleAll) {
  clock = handClock();
  const letters = workerLetters(["timelines", "notifications"]);
  tracing = createTracing({ store, box: "gateway 1", workerLetters: letters, clock, sampler });
  return { store, tracing };
}

describe("a hop", () => {
  test("is a span with its number, its name, its times and what it is about", async () => {
    const { store, tracing } = record();
    const hop = tracing.hop("message queue → worker", tracing.begin(given), {
      name: "process post.published",
      worker: "notifications",
      eventId: "e-1",
      depth: 1,
      attributes: { "messaging.destination.partition.id": "7" },
    });
    clock.advance(2.25);
    hop.end({ waitMs: 1.5 });
    await tracing.stop();
    const [span] = await store.trace(givenTrace);
    expect(span).toEqual({
      traceId: givenTrace,
      spanId: hop.context.spanId,
      parentSpanId: "b7ad6b7169203331",
      name: "process post.published",
      kind: "consumer",
      hop: 10,
      hopName: "message queue → worker B",
      worker: "notifications",
      box: "gateway 1",
      pid: process.pid,
      startUs: 1_700_000_000_000_000,
      durationUs: 2_250,
      waitUs: 1_500,
      eventId: "e-1",
      error: undefined,
      attributes: {
        "messaging.system.name": "millrace",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "post.published",
        "messaging.destination.partition.id": "7",
        "messaging.consumer.group.name": "notifications",
        "messaging.message.id": "e-1",
        "millrace.hop": 10,
        "millrace.hop.name": "message queue → worker B",
        "millrace.worker": "notifications",
        "millrace.wait_ms": 1.5,
      },
    });
  });

  test("has the kind that the conventions give its operation", async () => {
    const { store, tracing } = record();
    const parent = tracing.begin(given);
    const hop = (step: Parameters<typeof tracing.hop>[0], name: string) => {
      tracing.hop(step, parent, { name }).end();
      clock.advance(1);
    };
    hop("user → load balancer", "POST");
    hop("API gateway → event producer", "create post.published");
    hop("event producer → message queue", "send post.published");
    hop("message queue → worker", "receive post.published");
    hop("worker → cache (look up)", "cache look up");
    hop("API gateway → event producer", "unheard of");
    await tracing.stop();
    expect((await store.trace(givenTrace)).map(({ kind }) => kind)).toEqual([
      "server",
      "producer",
      "client",
      "client",
      "client",
      "internal",
    ]);
  });

  test("takes times from before and after, and never lasts less than nothing", async () => {
    const { store, tracing } = record();
    const startMs = clock.now() - 5_000;
    const options = { name: "send x", startMs };
    const parent = tracing.begin(given);
    tracing.hop("worker → message queue", parent, options).end({ endMs: startMs + 12.5 });
    tracing.hop("worker → message queue", parent, options).end({ endMs: startMs - 1, waitMs: 9 });
    await tracing.stop();
    expect(await store.trace(givenTrace)).toMatchObject([
      { startUs: startMs * 1_000, durationUs: 12_500, waitUs: 0 },
      { startUs: startMs * 1_000, durationUs: 0, waitUs: 0 },
    ]);
  });

  test("tells what went wrong by its stable name", async () => {
    const { store, tracing } = record();
    const hop = tracing.hop("worker → database", tracing.begin(given), { name: "commit" });
    hop.end({ error: "MR_FENCED", eventId: "e-9" });
    await tracing.stop();
    expect(await store.trace(givenTrace)).toMatchObject([
      { error: "MR_FENCED", eventId: "e-9", attributes: { "error.type": "MR_FENCED" } },
    ]);
  });

  test("counts once, however often it is ended", async () => {
    const { store, tracing } = record();
    const hop = tracing.hop("worker → database", tracing.begin(given), { name: "commit" });
    hop.end();
    hop.end({ error: "late" });
    await tracing.stop();
    expect(await store.trace(givenTrace)).toMatchObject([{ error: undefined }]);
  });

  test("that is never ended is never recorded, but its context serves others", async () => {
    const { store, tracing } = record();
    const lost = tracing.hop("worker → database", tracing.begin(given), { name: "commit" });
    tracing.hop("worker → message queue", lost.context, { name: "send x" }).end();
    await tracing.stop();
    const spans = await store.trace(givenTrace);
    expect(spans).toMatchObject([{ name: "send x", parentSpanId: lost.context.spanId }]);
  });
});

describe("where a trace begins", () => {
  test("it gets ids of its own, and its first hop has no parent", async () => {
    const { store, tracing } = record();
    const context = tracing.begin(undefined);
    expect(formatTraceparent(context)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const hop = tracing.hop("user → load balancer", context, { name: "POST" });
    expect(hop.context.traceId).toBe(context.traceId);
    hop.end();
    await tracing.stop();
    expect(await store.trace(context.traceId)).toMatchObject([{ parentSpanId: undefined }]);
  });

  test("no two are alike", () => {
    const { tracing } = record();
    const ids = Array.from({ length: 5_000 }, () => tracing.begin(undefined));
    expect(new Set(ids.map(({ traceId }) => traceId)).size).toBe(5_000);
    expect(new Set(ids.map(({ spanId }) => spanId)).size).toBe(5_000);
  });

  test.each(["", "nonsense", `ff${given.slice(2)}`, given.replace(givenTrace, "0".repeat(32))])(
    "a malformed traceparent (%j) is as none",
    (traceparent) => {
      const { tracing } = record();
      const context = tracing.begin(traceparent);
      expect(context).toMatchObject({ sampled: true });
      expect(context.traceId).not.toBe(givenTrace);
    },
  );

  test("the sampler decides, once, for all hops; the ids stay for logs and answers", async () => {
    const never = { begins: () => false, continues: () => false };
    const { store, tracing } = record(undefined, never);
    const context = tracing.begin(undefined);
    const hop = tracing.hop("user → load balancer", context, { name: "POST" });
    expect(hop.context).toBe(context);
    expect(context.sampled).toBe(false);
    hop.end();
    expect(tracing.begin(given)).toEqual({
      traceId: givenTrace,
      spanId: "b7ad6b7169203331",
      sampled: false,
    });
    await tracing.stop();
    expect(await store.trace(context.traceId)).toEqual([]);
  });

  test("what was not sampled elsewhere is not sampled here", () => {
    const { tracing } = record();
    expect(tracing.begin(given.replace(/01$/, "00"))).toMatchObject({ sampled: false });
  });

  test("what was sampled elsewhere is honoured, up to a bound", () => {
    const sampler = createSampler({ clock: handClock(), continuedPerSecondMax: 3 });
    const { tracing } = record(undefined, sampler);
    const sampled = Array.from({ length: 9 }, () => tracing.begin(given)).filter(
      (context) => context.sampled,
    );
    expect(sampled).toHaveLength(3);
  });
});

describe("the store", () => {
  const endHop = () => {
    const context = tracing?.begin(given);
    if (context !== undefined) tracing?.hop("worker → database", context, { name: "x" }).end();
  };

  test("gets what ended, in the background, one batch at a time", async () => {
    const inner = openMemorySpanStore();
    const write = vi.spyOn(inner, "write");
    record(inner);
    endHop();
    endHop();
    expect(write).not.toHaveBeenCalled();
    clock.advance(limits.spanFlushMs);
    expect(write.mock.calls.map(([spans]) => spans.length)).toEqual([2]);
    await vi.waitFor(async () => expect(await inner.trace(givenTrace)).toHaveLength(2));
  });

  test("that fails costs its batch and nothing else", async () => {
    const inner = openMemorySpanStore();
    let broken = true;
    const store: SpanStore = {
      ...inner,
      write: async (spans) => {
        if (broken) throw new Error("the disk is gone");
        await inner.write(spans);
      },
    };
    const { tracing } = record(store);
    endHop();
    clock.advance(limits.spanFlushMs);
    await vi.waitFor(() => expect(tracing.droppedSpans).toBe(1));
    broken = false;
    endHop();
    await tracing.stop();
    expect(await inner.trace(givenTrace)).toHaveLength(1);
    expect(tracing.droppedSpans).toBe(1);
  });

  test("that hangs costs bounded memory, and stopping a bounded time", async () => {
    const store: SpanStore = { ...openMemorySpanStore(), write: () => new Promise(() => {}) };
    const { tracing } = record(store);
    endHop();
    clock.advance(limits.spanFlushMs);
    for (let count = 0; count < limits.spanBufferMax + 5; count++) endHop();
    expect(tracing.droppedSpans).toBe(5);
    const stopped = tracing.stop();
    clock.advance(limits.spanStopMs);
    await stopped;
    await tracing.stop();
    expect(tracing.droppedSpans).toBe(5 + limits.spanBufferMax);
  });

  test("hears nothing of hops that end after the stop", async () => {
    const { store, tracing } = record();
    await tracing.stop();
    endHop();
    clock.advance(limits.spanFlushMs);
    expect(await store.trace(givenTrace)).toEqual([]);
    expect(tracing.droppedSpans).toBe(1);
  });
});
