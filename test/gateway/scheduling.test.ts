/**
 * Publishing for later and cancelling it, over HTTP: how the time of delivery is given in each form
 * of publishing, what is refused, and what a cancellation answers.
 */
import { expect, it } from "vitest";
import { ada, json, startGateway } from "./support.ts";

const path = "/events/post.published";
const at = new Date(Date.now() + 3_600_000).toISOString();
const offset = at.replace("Z", "+00:00");

const cloudEvent = { specversion: "1.0", id: "n-1", source: "/desk", type: "post.published" };
const structured = "application/cloudevents+json";

it.each([
  ["plain data", path, json(ada, { "millrace-at": offset })],
  [
    "a stream of lines",
    path,
    {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", "millrace-at": at },
      body: `${JSON.stringify(ada)}\n${JSON.stringify(ada)}\n`,
    },
  ],
  [
    "a CloudEvent with the attribute",
    "/events",
    {
      method: "POST",
      headers: { "content-type": structured, "millrace-at": "2020-01-01T00:00:00Z" },
      body: JSON.stringify({ ...cloudEvent, millraceat: at, data: ada }),
    },
  ],
  [
    "a CloudEvent in a request with the header",
    "/events",
    {
      method: "POST",
      headers: { "content-type": structured, "millrace-at": at },
      body: JSON.stringify({ ...cloudEvent, data: ada }),
    },
  ],
])("takes the time of delivery of %s", async (_what, address, request) => {
  const { fetch, stored } = await startGateway();
  expect((await fetch(address, request)).status).toBe(202);
  const events = await stored();
  expect(events.length).toBeGreaterThan(0);
  for (const { event } of events) expect(event.attributes).toMatchObject({ at });
});

it.each([
  ["no time", "tomorrow"],
  ["a time without an offset", "2027-01-31T12:00:00"],
  ["a day that there is not", "2027-02-30T12:00:00Z"],
  ["a time too far ahead", "2999-01-31T12:00:00Z"],
])("refuses %s, and stores nothing", async (_what, time) => {
  const { fetch, stored } = await startGateway();
  const plain = await fetch(path, json(ada, { "millrace-at": time }));
  const body = JSON.stringify({ ...cloudEvent, millraceat: time, data: ada });
  const event = await fetch("/events", {
    method: "POST",
    headers: { "content-type": structured },
    body,
  });
  for (const response of [plain, event]) {
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "MR_AT_INVALID" });
  }
  expect(await stored()).toEqual([]);
});

it("takes a key that comes back with another time for another content", async () => {
  const { fetch } = await startGateway();
  const key = { "idempotency-key": '"k"' };
  expect((await fetch(path, json(ada, { ...key, "millrace-at": at }))).status).toBe(202);
  const again = await fetch(path, json(ada, { ...key, "millrace-at": at }));
  expect(await again.json()).toMatchObject({ duplicate: true });
  const other = await fetch(path, json(ada, key));
  expect(await other.json()).toMatchObject({ code: "MR_IDEMPOTENCY_REUSED" });
});

async function published(running: Awaited<ReturnType<typeof startGateway>>): Promise<string> {
  const response = await running.fetch(path, json(ada, { "millrace-at": at }));
  return ((await response.json()) as { id: string }).id;
}

it("cancels an event at the workers that handle it", async () => {
  const running = await startGateway();
  const id = await published(running);
  const response = await running.fetch(`/events/${id}`, { method: "DELETE" });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ id, state: "cancelled", workers: ["timelines"] });
  expect(running.timelines.cancelled).toEqual([{ id, source: "/social/gateway" }]);
});

it("says that it is too late for what was delivered", async () => {
  const running = await startGateway();
  running.timelines.isScheduled = false;
  const id = await published(running);
  const response = await running.fetch(`/events/${id}`, { method: "DELETE" });
  expect(response.status).toBe(409);
  expect(await response.json()).toMatchObject({ code: "MR_EVENT_BEGUN", cancelled: [] });
});

it("asks the workers for what the queue no longer keeps", async () => {
  const { fetch, timelines } = await startGateway();
  const kept = await fetch("/events/long-ago?source=/desk", { method: "DELETE" });
  expect(await kept.json()).toMatchObject({ state: "cancelled" });
  expect(timelines.cancelled).toEqual([{ id: "long-ago", source: "/desk" }]);
  timelines.isScheduled = false;
  const unknown = await fetch("/events/never", { method: "DELETE" });
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toMatchObject({ code: "MR_EVENT_NOT_FOUND" });
});

it.each([
  ["scheduled", { state: "scheduled", at } as const, "scheduled"],
  ["cancelled", { state: "cancelled" } as const, "cancelled"],
])("tells of an event that is %s", async (_what, standing, state) => {
  const running = await startGateway();
  const id = await published(running);
  running.timelines.state = standing;
  const response = await running.fetch(`/events/${id}`);
  expect(await response.json()).toMatchObject({ state, workers: { timelines: standing } });
});
