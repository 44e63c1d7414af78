/**
 * Finding an event's trace: it waits for spans that come late, but no longer than it may, and shows
 * of a batch only what belongs to the event. A memory store, and a clock turned by hand.
 */
import { describe, expect, test, vi } from "vitest";
import { openMemorySpanStore } from "../../src/engines/memory/span-store.ts";
import { limits } from "../../src/lib/limits.ts";
import { spansOfEvent, tracesOfEvent } from "../../src/tracing/trace-of-event.ts";
import { handClock } from "../support/hand-clock.ts";
import { mentionId, postId, thirteenHops } from "./reference-trace.ts";
import { spanRecord } from "./span-records.ts";

/** Turns the clock until the promise is settled; gives the time that it took. */
async function turnUntilDone<Result>(clock: ReturnType<typeof handClock>, work: Promise<Result>) {
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  const startMs = clock.monotonic();
  while (!done) {
    clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { result: await finished, tookMs: clock.monotonic() - startMs };
}

describe("looking an event up", () => {
  test("waits for hops that other processes write late", async () => {
    const store = openMemorySpanStore();
    const clock = handClock();
    await store.write(thirteenHops.slice(0, 5));
    const late = clock.after(150, () => void store.write(thirteenHops.slice(5)));
    const { result, tookMs } = await turnUntilDone(clock, tracesOfEvent(store, postId, { clock }));
    late[Symbol.dispose]();
    expect(result.map((spans) => spans.length)).toEqual([13]);
    expect(tookMs).toBeLessThan(limits.traceLookUpMs);
  });

  test("gives up on what was never traced", async () => {
    const clock = handClock();
    const lookUp = tracesOfEvent(openMemorySpanStore(), postId, { clock, waitMs: 500 });
    const { result, tookMs } = await turnUntilDone(clock, lookUp);
    expect(result).toEqual([]);
    expect(tookMs).toBeGreaterThanOrEqual(500);
    expect(tookMs).toBeLessThan(1_000);
  });

  test("gives what there is where hops never stop coming", async () => {
    const store = openMemorySpanStore();
    const clock = handClock();
    await store.write(thirteenHops);
    using _more = clock.every(20, () => void store.write([spanRecord({ eventId: postId })]));
    const { result } = await turnUntilDone(clock, tracesOfEvent(store, postId, { clock }));
    expect(result[0]?.length).toBeGreaterThan(13);
  });

  test("ends at once when it is no longer wanted", async () => {
    const stop = new AbortController();
    const lookUp = tracesOfEvent(openMemorySpanStore(), postId, {
      clock: handClock(),
      signal: stop.signal,
    });
    stop.abort();
    expect(await lookUp).toEqual([]);
  });

  test("gives the newest trace first where an event has several", async () => {
    const store = openMemorySpanStore();
    const clock = handClock();
    await store.write(thirteenHops);
    await store.write(thirteenHops.slice(0, 4).map((span) => ({ ...span, traceId: "again" })));
    const { result } = await turnUntilDone(clock, tracesOfEvent(store, postId, { clock }));
    expect(result.map((spans) => spans.length)).toEqual([4, 13]);
  });
});

describe("of a trace with several events", () => {
  test("an event's spans are what led to it, itself, and what it led to", () => {
    const other = thirteenHops.slice(2).map((span) => ({
      ...span,
      spanId: span.spanId.replace(/^0/, "f"),
      parentSpanId: span.parentSpanId?.replace(/^0(?=.*[^2]$)/, "f"),
      eventId: `other ${span.eventId}`,
    }));
    const spans = [...thirteenHops, ...other];
    expect(spansOfEvent(spans, postId)).toEqual(thirteenHops);
    expect(spansOfEvent(spans, `other ${postId}`)).toHaveLength(13);
  });

  test("a follow-up's are its own and the way that led to it", () => {
    const numbers = spansOfEvent(thirteenHops, mentionId).map(({ hop }) => hop);
    expect(numbers).toEqual([1, 2, 3, 5, 7, 9, 10, 11, 12, 13]);
  });
});

test("the look-up asks the store again and again, but not without a pause", async () => {
  const store = openMemorySpanStore();
  const clock = handClock();
  const asked = vi.spyOn(store, "tracesOf");
  await turnUntilDone(clock, tracesOfEvent(store, postId, { clock, waitMs: 1_000 }));
  expect(asked.mock.calls.length).toBeLessThanOrEqual(1_000 / (limits.spanFlushMs / 2) + 1);
});
