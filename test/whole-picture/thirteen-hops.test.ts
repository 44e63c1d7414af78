/**
 * One request of the reference example travels the thirteen hops, in order, across real processes,
 * and whoever asks for its trace sees them by the names of the picture.
 */
import { expect, it, vi } from "vitest";
import type { SpanRecord } from "../../src/tracing/span-store.ts";
import { Picture, waitOptions } from "./picture.ts";

const names = [
  "user → load balancer",
  "load balancer → API gateway",
  "API gateway → event producer",
  "event producer → message queue",
  "message queue → worker A",
  "worker A → cache A (look up)",
  "worker A → database A",
  "worker A → cache A (refresh)",
  "worker A → message queue",
  "message queue → worker B",
  "worker B → cache B (look up)",
  "worker B → database B",
  "worker B → cache B (refresh)",
];

it("makes the thirteen hops once each, in order, in five processes", async () => {
  await using picture = await Picture.start();
  const answer = await fetch(`${picture.url}/events/post.published`, {
    method: "POST",
    headers: { "content-type": "application/json", prefer: "wait=10" },
    body: JSON.stringify({ author: "ada", text: "hello @grace" }),
  });
  expect(answer.status).toBe(200);
  const { id } = (await answer.json()) as { id: string };
  expect(answer.headers.get("location")).toBe(`/events/${id}`);

  const spans = await vi.waitFor(async () => {
    const trace = await fetch(`${picture.url}/events/${id}/trace`);
    const body = (await trace.json()) as { traces: { spans: SpanRecord[] }[] };
    const hops = body.traces.flatMap(({ spans }) => spans).filter(({ hop }) => hop !== undefined);
    expect(hops).toHaveLength(13);
    return hops.toSorted((a, b) => (a.hop ?? 0) - (b.hop ?? 0));
  }, waitOptions);

  expect(spans.map(({ hop }) => hop)).toEqual(names.map((_, index) => index + 1));
  expect(spans.map(({ hopName }) => hopName)).toEqual(names);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(new Set(spans.map(({ pid }) => pid)).size).toBe(4);
  // A hop never begins before the one that caused it (one millisecond for clocks of whole ones).
  const starts = new Map(spans.map(({ spanId, startUs }) => [spanId, startUs]));
  for (const { parentSpanId, startUs, hop } of spans) {
    const cause = starts.get(parentSpanId ?? "");
    if (cause !== undefined) expect(startUs, `hop ${hop}`).toBeGreaterThanOrEqual(cause - 1_000);
  }

  const text = await picture.command("trace", id);
  const places = names.map((name) => text.indexOf(name.replace(/ \(.*/, "")));
  expect(places.every((place) => place >= 0)).toBe(true);
  const json = JSON.parse(await picture.command("trace", id, "--json"));
  expect(JSON.stringify(json)).toContain("user → load balancer");
});

it("hands the mention to worker B, and lets a client read its own write", async () => {
  await using picture = await Picture.start();
  const answer = await fetch(`${picture.url}/events/post.published`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ author: "ada", text: "hello @grace" }),
  });
  expect(answer.status).toBe(202);
  const { partition, position } = (await answer.json()) as { partition: number; position: number };
  const home = await fetch(`${picture.url}/timelines/home?user=ada`, {
    headers: { "millrace-after": `${partition}:${position}` },
    signal: AbortSignal.timeout(40_000),
  });
  expect(home.status).toBe(200);
  expect(JSON.stringify(await home.json())).toContain("hello @grace");
  await vi.waitFor(async () => {
    const list = await fetch(`${picture.url}/notifications/list?user=grace`);
    expect(JSON.stringify(await list.json())).toContain("ada");
  }, waitOptions);
});
