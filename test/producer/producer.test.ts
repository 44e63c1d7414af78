/**
 * The event producer: every publish is answered exactly once, what is published stays in order and
 * together, at most one append runs, and no more waits than the bounds allow. Random runs over a
 * scripted queue and a clock turned by hand prove the invariants; single cases show each answer.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { limits } from "../../src/lib/limits.ts";
import { createProducer } from "../../src/producer/producer.ts";
import type { Receipt } from "../../src/queue/engine.ts";
import type { Publication } from "../../src/queue/queue.ts";
import { noTracing } from "../../src/tracing/no-tracing.ts";
import type {
  Hop,
  HopOptions,
  HopResult,
  TraceContext,
  Tracing,
} from "../../src/tracing/tracing.ts";
import { handClock } from "../support/hand-clock.ts";
import { publication, publications, ScriptedQueue, unsampled } from "./scripted-queue.ts";

function setUp(tracing: Tracing = noTracing) {
  const queue = new ScriptedQueue();
  const clock = handClock();
  const defer = (task: () => void) => task();
  return { queue, clock, producer: createProducer({ queue, clock, tracing, gatherMs: 0, defer }) };
}

/** Lets everything that is due by promises run. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "accepted",
    (error: MillraceError) => error.code,
  );

describe("group commit", () => {
  it("appends what comes alone at once, and what waits meanwhile together", async () => {
    const { queue, producer } = setUp();
    const first = producer.publish(publications("a", 1), unsampled);
    const others = ["b", "c", "d"].map((name) =>
      producer.publish(publications(name, 2), unsampled),
    );
    expect(queue.appends).toEqual([["a-0"]]);
    queue.finish();
    expect((await first).map(({ id }) => id)).toEqual(["a-0"]);
    expect(queue.appends[1]).toEqual(["b-0", "b-1", "c-0", "c-1", "d-0", "d-1"]);
    queue.finish();
    const receipts = await Promise.all(others);
    expect(receipts.map((list) => list.map(({ id }) => id))).toEqual([
      ["b-0", "b-1"],
      ["c-0", "c-1"],
      ["d-0", "d-1"],
    ]);
    expect(producer.waiting).toBe(0);
  });

  it("publishes nothing without asking the queue", async () => {
    const { queue, producer } = setUp();
    expect(await producer.publish([], unsampled)).toEqual([]);
    expect(queue.appends).toEqual([]);
  });

  it("keeps a call whole, however many others fit beside it", async () => {
    const { queue, producer } = setUp();
    const half = Math.ceil(limits.appendBatchEventsMax * 0.6);
    const calls = ["a", "b", "c"].map((name) =>
      producer.publish(publications(name, half), unsampled),
    );
    const large = producer.publish(publications("d", limits.appendBatchEventsMax + 5), unsampled);
    for (let turn = 0; turn < 4; turn++) {
      queue.finish();
      await settle();
    }
    await Promise.all([...calls, large]);
    expect(queue.appends.map((ids) => ids.length)).toEqual([
      half,
      half,
      half,
      limits.appendBatchEventsMax + 5,
    ]);
  });

  it("rejects every call of a batch that the queue refuses, and goes on", async () => {
    const { queue, producer } = setUp();
    const running = producer.publish(publications("a", 1), unsampled);
    const refused = ["b", "c"].map((name) =>
      codeOf(producer.publish(publications(name, 1), unsampled)),
    );
    queue.finish();
    await running;
    queue.finish(new MillraceError("MR_QUEUE_FULL", "full"));
    expect(await Promise.all(refused)).toEqual(["MR_QUEUE_FULL", "MR_QUEUE_FULL"]);
    const later = producer.publish(publications("d", 1), unsampled);
    queue.finish();
    expect(await later).toHaveLength(1);
  });
});

describe("bounds and time", () => {
  it("refuses at once what would wait beyond the bound of events", async () => {
    const { queue, producer } = setUp();
    const taken = producer.publish(publications("a", limits.appendWaitingEventsMax), unsampled);
    const over = producer.publish(publications("b", 1), unsampled);
    await expect(over).rejects.toMatchObject({ code: "MR_OVERLOADED", retryAfterSeconds: 1 });
    queue.finish();
    await taken;
    expect(queue.appends).toHaveLength(1);
  });

  it("refuses at once what would wait beyond the bound of bytes", async () => {
    const { queue, producer } = setUp();
    const half = "x".repeat(limits.appendWaitingBytesMax / 2);
    const taken = producer.publish([publication("a", half)], unsampled);
    expect(await codeOf(producer.publish([publication("b", half)], unsampled))).toBe(
      "MR_OVERLOADED",
    );
    queue.finish();
    await taken;
    const again = producer.publish([publication("b", half)], unsampled);
    queue.finish();
    await again;
  });

  it("answers in time although the queue does not: unknown, or nothing accepted", async () => {
    const { queue, clock, producer } = setUp();
    const handedOver = codeOf(producer.publish(publications("a", 1), unsampled));
    clock.advance(limits.appendTimeoutMs / 2);
    const waiting = codeOf(producer.publish(publications("b", 1), unsampled));
    clock.advance(limits.appendTimeoutMs / 2);
    expect(await handedOver).toBe("MR_RESULT_UNKNOWN");
    clock.advance(limits.appendTimeoutMs / 2);
    expect(await waiting).toBe("MR_QUEUE_UNAVAILABLE");
    // The append that hangs still counts: nothing overtakes it.
    const next = producer.publish(publications("c", 1), unsampled);
    expect(queue.appends).toEqual([["a-0"]]);
    queue.finish();
    await settle();
    expect(queue.appends).toEqual([["a-0"], ["c-0"]]);
    queue.finish();
    expect(await next).toHaveLength(1);
    expect(producer.waiting).toBe(0);
  });
});

describe("stop", () => {
  it("takes nothing more, and drains what was taken", async () => {
    const { queue, producer } = setUp();
    const taken = ["a", "b"].map((name) => producer.publish(publications(name, 1), unsampled));
    let stopped = false;
    const stopping = Promise.all([producer.stop(), producer.stop()]).then(() => {
      stopped = true;
    });
    expect(await codeOf(producer.publish(publications("c", 1), unsampled))).toBe("MR_DRAINING");
    queue.finish();
    await settle();
    expect(stopped).toBe(false);
    queue.finish();
    await stopping;
    expect((await Promise.all(taken)).flat()).toHaveLength(2);
  });

  it("works before anything was published, and with a queue that never answers", async () => {
    await setUp().producer.stop();
    const { clock, producer } = setUp();
    const taken = codeOf(producer.publish(publications("a", 1), unsampled));
    const stopping = producer.stop();
    clock.advance(limits.appendTimeoutMs);
    await stopping;
    expect(await taken).toBe("MR_RESULT_UNKNOWN");
  });
});

describe("traces", () => {
  it("stores the request's context with events that are not sampled", async () => {
    const { queue, producer } = setUp();
    const done = producer.publish(publications("a", 1), unsampled);
    queue.finish();
    await done;
    expect(queue.given[0]?.event.attributes.traceparent).toBe(
      `00-${"1".repeat(32)}-${"2".repeat(16)}-00`,
    );
  });

  it("makes hops 3 and 4 for each event that is sampled, one below the other", async () => {
    const tracing = new NotedTracing();
    const { queue, clock, producer } = setUp(tracing);
    const sampled = { ...unsampled, sampled: true };
    const own = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
    const first = producer.publish(publications("a", 1), sampled);
    const given = publication("b");
    const withOwn = {
      event: { ...given.event, attributes: { traceparent: own, subject: "s" } },
    };
    const second = producer.publish([withOwn], sampled);
    clock.advance(3);
    queue.finish();
    await first;
    queue.finish(new MillraceError("MR_QUEUE_FULL", "full"));
    await expect(second).rejects.toThrow("full");
    expect(tracing.ended).toEqual([
      ["create thing.happened", "a-0", "0000", { waitMs: 0 }],
      ["create thing.happened", "b", "0000", { waitMs: 3 }],
      [
        "send thing.happened",
        "a-0",
        "span 1",
        { attributes: expect.objectContaining({ "millrace.position": 1 }) },
      ],
      ["send thing.happened", "b", "span 3", { error: "MR_QUEUE_FULL" }],
    ]);
    expect(queue.given.map(({ event }) => event.attributes.traceparent)).toEqual([
      `00-${"1".repeat(32)}-span 1-01`,
      own,
    ]);
    expect(queue.given[1]?.event.attributes.subject).toBe("s");
  });

  it("traces the first events of a request, in however many calls they come", async () => {
    const tracing = new NotedTracing();
    const { queue, producer } = setUp(tracing);
    const request = { ...unsampled, sampled: true };
    const first = limits.tracedEventsMax - 1;
    for (const [name, count] of [
      ["a", first],
      ["b", 3],
      ["c", 2],
    ] as const) {
      const done = producer.publish(publications(name, count), request);
      queue.finish();
      await done;
    }
    const isTraced = (one?: Publication) => one?.event.attributes.traceparent?.endsWith("-01");
    const traced = queue.given.filter(isTraced);
    expect(traced.map(({ event }) => event.id)).toEqual(
      [...publications("a", first), publication("b-0")].map(({ event }) => event.id),
    );
    expect(tracing.ended.length).toBe(2 * traced.length);
    const another = producer.publish(publications("d", 1), { ...request });
    queue.finish();
    await another;
    expect(isTraced(queue.given.at(-1))).toBe(true);
  });
});

/** Notes each hop that ended: its name, event, parent's span and result. */
class NotedTracing implements Tracing {
  readonly ended: [string, string | undefined, string, HopResult | undefined][] = [];
  #spans = 0;
  begin = (): TraceContext => ({ ...unsampled, sampled: true });
  hop(_step: string, parent: TraceContext, { name, eventId }: HopOptions): Hop {
    const context = { ...parent, spanId: `span ${++this.#spans}` };
    const parentSpan = parent.spanId.startsWith("span") ? parent.spanId : "0000";
    return { context, end: (result) => this.ended.push([name, eventId, parentSpan, result]) };
  }
  stop = async () => {};
}

describe("any run", () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("publish" as const),
        count: fc.integer({ min: 1, max: 700 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("finish" as const), fails: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("advance" as const),
        ms: fc.integer({ min: 1, max: limits.appendTimeoutMs }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop" as const) }) },
  );

  it("answers each call exactly once, in order, whole, within the bounds", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const { queue, clock, producer } = setUp();
        const calls: { ids: string[]; answers: (readonly Receipt[] | string)[] }[] = [];
        for (const [at, one] of steps.entries()) {
          if (one.kind === "publish") {
            const call = {
              ids: publications(`${at}`, one.count),
              answers: [] as (Receipt[] | string)[],
            };
            calls.push({ ids: call.ids.map(({ event }) => event.id), answers: call.answers });
            producer.publish(call.ids, unsampled).then(
              (receipts) => call.answers.push(receipts),
              (error: MillraceError) => call.answers.push(error.code),
            );
          } else if (one.kind === "finish") {
            queue.finish(one.fails ? new MillraceError("MR_QUEUE_FULL", "full") : undefined);
          } else if (one.kind === "advance") clock.advance(one.ms);
          else void producer.stop();
          await settle();
          expect(producer.waiting).toBeLessThanOrEqual(limits.appendWaitingEventsMax);
        }
        while (queue.isRunning) {
          queue.finish();
          await settle();
        }
        await producer.stop();
        expect(producer.waiting).toBe(0);
        checkRun(calls, queue.appends);
      }),
      { numRuns: 150 },
    );
  });
});

function checkRun(
  calls: readonly { ids: string[]; answers: (readonly Receipt[] | string)[] }[],
  appends: readonly string[][],
): void {
  const appended = appends.flat();
  const places = new Map(appended.map((id, at) => [id, at]));
  expect(places.size, "nothing is appended twice").toBe(appended.length);
  const appendOf = new Map(appends.flatMap((batch, at) => batch.map((id) => [id, at] as const)));
  let last = -1;
  for (const { ids, answers } of calls) {
    expect(answers, "one answer a call").toHaveLength(1);
    const [answer = ""] = answers;
    const first = places.get(ids[0] ?? "");
    const wasAppended = first !== undefined;
    if (typeof answer !== "string") expect(answer.map(({ id }) => id)).toEqual(ids);
    const mustNotBe = ["MR_OVERLOADED", "MR_DRAINING", "MR_QUEUE_UNAVAILABLE"];
    if (mustNotBe.includes(String(answer))) expect(wasAppended).toBe(false);
    if (!wasAppended) continue;
    expect(first, "calls are appended in their order").toBeGreaterThan(last);
    expect(appended.slice(first, first + ids.length), "a call stays together").toEqual(ids);
    last = first + ids.length - 1;
    const inAppends = new Set([appendOf.get(ids[0] ?? ""), appendOf.get(ids.at(-1) ?? "")]);
    expect(inAppends.size, "a call is in one append").toBe(1);
  }
  for (const batch of appends) {
    const isOneCall = calls.some(({ ids }) => ids.length === batch.length && ids[0] === batch[0]);
    if (!isOneCall) expect(batch.length).toBeLessThanOrEqual(limits.appendBatchEventsMax);
  }
}
