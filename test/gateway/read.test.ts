/**
 * Reading: where an event stands at each worker, its trace, and the queries of workers. A real
 * gateway; the workers answer what the test says.
 */
import { expect, it, vi } from "vitest";
import { openMemorySpanStore } from "../../src/engines/memory/span-store.ts";
import { MillraceError } from "../../src/lib/errors.ts";
import type { SpanRecord } from "../../src/tracing/span-store.ts";
import { formatTraceparent, type Tracing } from "../../src/tracing/tracing.ts";
import { ada, json, startGateway } from "./support.ts";

const path = "/events/post.published";

async function publish(fetch: (path: string, init: RequestInit) => Promise<Response>) {
  const response = await fetch(path, json(ada));
  return (await response.json()) as { id: string; partition: number; position: number };
}

it("tells where an event stands at each worker that handles it", async () => {
  const { fetch, timelines } = await startGateway();
  const { id } = await publish(fetch);
  const response = await fetch(`/events/${id}`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    ...{ id, source: "/social/gateway", type: "post.published", key: "ada" },
    ...{ time: expect.any(String), acceptedAt: expect.any(String), partition: 14, position: 1 },
    state: "done",
    workers: { timelines: { state: "done" } },
  });
  const nextAttemptAt = "2026-01-01T00:00:00.000Z";
  timelines.state = { state: "retrying", attempts: 2, nextAttemptAt, error: "boom" };
  expect(await (await fetch(`/events/${id}`)).json()).toMatchObject({
    state: "pending",
    workers: { timelines: { state: "retrying", attempts: 2, nextAttemptAt, error: "boom" } },
  });
  timelines.state = { state: "dead", attempts: 8, error: "boom" };
  expect(await (await fetch(`/events/${id}`)).json()).toMatchObject({ state: "dead" });
});

it("waits for the workers where the client prefers to", async () => {
  const { fetch, timelines } = await startGateway();
  const { id } = await publish(fetch);
  const response = await fetch(`/events/${id}`, { headers: { prefer: "wait=2" } });
  expect(response.headers.get("preference-applied")).toBe("wait=2");
  expect(timelines.waited.at(-1)).toBeGreaterThan(1_000);
});

it("answers although a worker cannot be asked", async () => {
  const { fetch } = await startGateway({ workers: new Map() });
  const { id } = await publish(fetch);
  expect(await (await fetch(`/events/${id}`)).json()).toMatchObject({
    state: "pending",
    workers: { timelines: { state: "unknown", error: "MR_WORKER_UNAVAILABLE" } },
  });
});

it("knows events by id and source, and asks which one where ids clash", async () => {
  const { fetch } = await startGateway();
  const missing = await fetch("/events/nothing");
  expect([missing.status, await missing.json()]).toMatchObject([
    404,
    { code: "MR_EVENT_NOT_FOUND" },
  ]);
  for (const source of ["/one", "/two"]) {
    const event = { specversion: "1.0", id: "same", source, type: "post.published", data: ada };
    const headers = { "content-type": "application/cloudevents+json" };
    await fetch("/events", { method: "POST", headers, body: JSON.stringify(event) });
  }
  const unclear = await fetch("/events/same");
  expect([unclear.status, await unclear.json()]).toMatchObject([
    409,
    { code: "MR_EVENT_AMBIGUOUS", sources: ["/one", "/two"] },
  ]);
  const clear = await fetch("/events/same?source=/two");
  expect(await clear.json()).toMatchObject({ id: "same", source: "/two" });
});

it("answers queries with what the worker says, and never from a cache", async () => {
  const { fetch, timelines } = await startGateway();
  const response = await fetch("/timelines/home?user=a%20b&tag=x&tag=y", {
    headers: { "millrace-after": "7:1, 3:9" },
  });
  expect([response.status, await response.json()]).toEqual([200, [{ text: "hello" }]]);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(timelines.asked).toEqual([
    {
      name: "home",
      search: "user=a%20b&tag=x&tag=y",
      after: [
        { partition: 7, position: 1 },
        { partition: 3, position: 9 },
      ],
    },
  ]);
});

it("passes on what the worker refuses", async () => {
  const { fetch, timelines } = await startGateway();
  timelines.answer = async () => {
    throw new MillraceError("MR_INPUT_INVALID", "no", {
      faults: [{ detail: "required", pointer: "#/user" }],
    });
  };
  const invalid = await fetch("/timelines/home");
  expect([invalid.status, await invalid.json()]).toMatchObject([
    422,
    { code: "MR_INPUT_INVALID", errors: [{ pointer: "#/user" }] },
  ]);
  timelines.answer = async () => {
    throw new Error("select * from secrets at /home/me/app.ts");
  };
  const failed = await fetch("/timelines/home");
  const text = await failed.text();
  expect(failed.status).toBe(500);
  expect(text).toContain("MR_INTERNAL");
  expect(text).not.toContain("secrets");
});

it("says 503 with Retry-After where no instance of the worker is known", async () => {
  const { fetch } = await startGateway({ workers: new Map() });
  const response = await fetch("/timelines/home?user=a");
  expect([response.status, await response.json()]).toMatchObject([
    503,
    { code: "MR_WORKER_UNAVAILABLE" },
  ]);
  expect(response.headers.get("retry-after")).toBe("1");
});

it.each(["/timelines/nothing", "/nobody/home"])("knows no query at %s", async (unknown) => {
  const { fetch } = await startGateway();
  const response = await fetch(unknown);
  expect([response.status, await response.json()]).toMatchObject([
    404,
    { code: "MR_QUERY_UNKNOWN" },
  ]);
});

it.each(["x", "7", "7:", "7:1:2", "-1:2", "7:1,", "99:1", "7:99999999999999999999"])(
  "refuses Millrace-After: %s",
  async (after) => {
    const { fetch, timelines } = await startGateway();
    const response = await fetch("/timelines/home?user=a", {
      headers: { "millrace-after": after },
    });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { code: "MR_AFTER_INVALID" },
    ]);
    expect(timelines.asked).toEqual([]);
  },
);

it.each([
  ["GET", "/events", "POST"],
  ["PUT", "/events/some-id", "GET, HEAD, POST, DELETE"],
  ["POST", "/timelines/home", "GET, HEAD"],
  ["POST", "/events/some-id/trace", undefined],
])("answers %s %s with what is allowed", async (method, target, allow) => {
  const { fetch } = await startGateway();
  const response = await fetch(target, { method });
  expect(response.status).toBe(allow === undefined ? 404 : 405);
  expect(response.headers.get("allow") ?? undefined).toBe(allow);
});

const traceId = "0af7651916cd43dd8448eb211c80319c";
const context = { traceId, spanId: "b7ad6b7169203331", sampled: true };

/** Samples what the caller samples, and tells of each hop that ended. */
function testTracing(
  onHop: (hop: { step: string; parent: string; name: string; eventId: unknown }) => void,
): Tracing {
  return {
    begin: (traceparent) => ({ ...context, sampled: traceparent?.endsWith("01") === true }),
    hop: (step, parent, { name, eventId }) => ({
      context: hopContext,
      end: (result) =>
        onHop({ step, name, parent: parent.spanId, eventId: result?.eventId ?? eventId }),
    }),
    stop: async () => {},
  };
}
const hopContext = { ...context, spanId: "c".repeat(16) };

it("shows an event's trace as soon as its spans are there", async () => {
  const spans = openMemorySpanStore();
  const { fetch } = await startGateway({ spans, tracing: testTracing(() => {}) });
  const response = await fetch(path, json(ada, { traceparent: formatTraceparent(context) }));
  const { id } = (await response.json()) as { id: string };
  const span: SpanRecord = {
    ...{ traceId, spanId: "1".repeat(16), parentSpanId: context.spanId, name: "send" },
    ...{ hop: 4, hopName: "event producer → message queue", box: "gateway 1", pid: 1 },
    ...{ kind: "producer" as const, worker: undefined },
    ...{ startUs: 1, durationUs: 2, waitUs: 0, eventId: id, error: undefined, attributes: {} },
  };
  // The question comes first; the answer waits for the spans.
  const looked = vi.spyOn(spans, "tracesOf");
  const asking = fetch(`/events/${id}/trace`);
  await vi.waitFor(() => expect(looked).toHaveBeenCalled());
  await spans.write([span]);
  const answer = await asking;
  const { traces } = (await answer.json()) as { traces: { traceId: string; spans: object[] }[] };
  expect(traces).toMatchObject([{ traceId, spans: [{ hop: 4, eventId: id }] }]);
});

it("records hop 2 for a sampled request, and passes its context on", async () => {
  const hops: object[] = [];
  const { fetch, stored } = await startGateway({ tracing: testTracing((hop) => hops.push(hop)) });
  const sampled = json(ada, { traceparent: formatTraceparent(context) });
  const receipt = (await (await fetch(path, sampled)).json()) as { id: string };
  const hop2 = {
    ...{ step: "load balancer → API gateway", name: "POST /events/:type" },
    ...{ parent: context.spanId, eventId: receipt.id },
  };
  await vi.waitFor(() => expect(hops).toContainEqual(hop2));
  const step = "API gateway → event producer";
  expect(hops, "hop 3 is a child of hop 2").toContainEqual(
    expect.objectContaining({ step, parent: hopContext.spanId }),
  );
  expect((await stored())[0]?.event.attributes.traceparent).toBe(formatTraceparent(hopContext));
  const before = hops.length;
  await fetch(path, json(ada));
  expect(hops, "no hop for what is not sampled").toHaveLength(before);
});
