/**
 * Publishing plain data: what a client gets for one event and for many, what makes a repeat
 * harmless, and that every bad input gets its problem with a stable code and leaves nothing behind.
 * A real gateway on a socket, over a memory queue.
 */

import { type } from "arktype";
import { defineEvent, defineSystem } from "millrace";
import * as v from "valibot";
import { expect, it } from "vitest";
import { z } from "zod";
import { limits } from "../../src/lib/limits.ts";
import { ada, json, sendPlain, sendRaw, startGateway } from "./support.ts";

const path = "/events/post.published";
const key = (name: string) => ({ "idempotency-key": name });

it("stores an event before it answers 202 with the receipt", async () => {
  const { fetch, stored } = await startGateway();
  const response = await fetch(path, json(ada));
  expect(response.status).toBe(202);
  const receipt = (await response.json()) as { id: string; position: number };
  expect(receipt).toEqual({
    id: expect.any(String),
    partition: 14,
    position: 1,
    durable: "memory",
  });
  expect(response.headers.get("location")).toBe(`/events/${receipt.id}`);
  const [only, ...others] = await stored();
  expect(others).toEqual([]);
  expect(only?.event).toMatchObject({
    id: receipt.id,
    source: "/social/gateway",
    type: "post.published",
    key: "ada",
    data: JSON.stringify(ada),
  });
});

it("gives new events ids that grow with time", async () => {
  const { fetch, stored } = await startGateway();
  for (let count = 0; count < 5; count++) await fetch(path, json(ada));
  const ids = (await stored()).map(({ event }) => event.id);
  expect(ids).toEqual([...ids].sort());
  expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
});

it("takes the stamped id only where a proxy of ours stands in front", async () => {
  const stamped = "0199aaaa-bbbb-7ccc-8ddd-eeeeeeeeeeee";
  const headers = { "millrace-event-id": stamped };
  const direct = await startGateway();
  await direct.fetch(path, json(ada, headers));
  expect((await direct.stored())[0]?.event.id).not.toBe(stamped);

  const behind = await startGateway({ trustProxy: true });
  await behind.fetch(path, json(ada, headers));
  const again = await behind.fetch(path, json(ada, headers));
  expect(await again.json()).toMatchObject({ id: stamped, duplicate: true });
  const lines = { "content-type": "application/x-ndjson", ...headers };
  const body = [ada, ada, ada].map((data) => JSON.stringify(data)).join("\n");
  for (const duplicates of [1, 3]) {
    const answer = await behind.fetch(path, { method: "POST", headers: lines, body });
    expect(await answer.json()).toMatchObject({ accepted: 3, duplicates });
  }
});

it("answers a repeat with the first receipt, and other content under the same key with 422", async () => {
  const { fetch, stored } = await startGateway();
  const first = await fetch(path, json(ada, key('"demo-1"')));
  const receipt = (await first.json()) as object;
  const repeat = await fetch(path, json(ada, key('"demo-1"')));
  expect(repeat.status).toBe(202);
  expect(await repeat.json()).toEqual({ ...receipt, duplicate: true });
  const plain = await fetch(path, json(ada, key("demo-1")));
  expect(await plain.json(), "quoted or not, it is the same key").toMatchObject({
    duplicate: true,
  });
  const reused = await fetch(path, json({ ...ada, text: "other" }, key('"demo-1"')));
  expect([reused.status, await reused.json()]).toMatchObject([
    422,
    { code: "MR_IDEMPOTENCY_REUSED" },
  ]);
  expect(await stored()).toHaveLength(1);
});

it("answers 409 while the first request with a key is under way", async () => {
  const { promise: hold, resolve: release } = Promise.withResolvers<void>();
  const Slow = defineEvent("slow.thing", {
    data: z.object({}).refine(async () => {
      await hold;
      return true;
    }),
    key: () => "one",
  });
  const { fetch } = await startGateway({
    system: defineSystem("slow", { accepts: [Slow], workers: [] }),
  });
  const send = () => fetch("/events/slow.thing", json({}, key("k")));
  const both = [send(), send()];
  const early = await Promise.race(both);
  expect(early.status).toBe(409);
  expect(await early.json()).toMatchObject({ code: "MR_IDEMPOTENCY_RUNNING" });
  release();
  const statuses = (await Promise.all(both)).map(({ status }) => status);
  expect(statuses.sort()).toEqual([202, 409]);
  expect((await send()).status, "the key is free again").toBe(202);
});

it("refuses publishing without a key where one is required", async () => {
  const { fetch, stored } = await startGateway({ idempotencyKeyRequired: true });
  const response = await fetch(path, json(ada));
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { code: "MR_IDEMPOTENCY_KEY" },
  ]);
  expect(await stored()).toEqual([]);
});

it("waits as the client prefers: 200 once all workers applied the event, else 202", async () => {
  const { fetch, timelines } = await startGateway();
  const done = await fetch(path, json(ada, { prefer: "wait=5" }));
  expect(done.status).toBe(200);
  expect(done.headers.get("preference-applied")).toBe("wait=5");
  expect(await done.json()).toMatchObject({ position: 1 });
  expect(timelines.waited[0]).toBeGreaterThan(4_000);
  expect(timelines.waited[0]).toBeLessThanOrEqual(5_000);

  timelines.state = { state: "waiting" };
  const pending = await fetch(path, json(ada, { prefer: "respond-async, wait=0" }));
  expect(pending.status).toBe(202);
  const minimal = await fetch(path, json(ada, { prefer: "return=minimal" }));
  expect(await minimal.text()).toBe("");
  expect(minimal.headers.get("preference-applied")).toBe("return=minimal");
  expect(minimal.headers.get("millrace-position")).toBe("14:3");
});

it("waits for a worker that cannot be reached yet as for one that has not come so far", async () => {
  const { fetch, timelines } = await startGateway();
  timelines.absences = 2;
  const done = await fetch(path, json(ada, { prefer: "wait=30" }));
  expect(done.status).toBe(200);
  expect(timelines.waited).toHaveLength(3);
  expect(timelines.waited.at(-1)).toBeLessThan(timelines.waited[0] ?? 0);

  timelines.absences = Number.POSITIVE_INFINITY;
  expect((await fetch(path, json(ada, { prefer: "wait=1" }))).status).toBe(202);
});

it("takes events of zod, ArkType and Valibot alike, and points to each fault", async () => {
  const events = [
    defineEvent("by.zod", { data: z.object({ name: z.string() }), key: ({ name }) => name }),
    defineEvent("by.arktype", { data: type({ name: "string" }), key: ({ name }) => name }),
    defineEvent("by.valibot", { data: v.object({ name: v.string() }), key: ({ name }) => name }),
  ];
  const { fetch, stored } = await startGateway({
    system: defineSystem("vendors", { accepts: events, workers: [] }),
  });
  for (const event of events) {
    const good = await fetch(`/events/${event.type}`, json({ name: "ada" }));
    expect(good.status, event.type).toBe(202);
    const bad = await fetch(`/events/${event.type}`, json({ name: 5 }));
    expect(bad.status, event.type).toBe(422);
    expect(await bad.json(), event.type).toMatchObject({
      code: "MR_DATA_INVALID",
      errors: [{ detail: expect.any(String), pointer: "#/data/name" }],
    });
  }
  expect(await stored()).toHaveLength(3);
});

const deep = `${"[".repeat(100)}${"]".repeat(100)}`;
const badBodies: [name: string, body: string | Buffer, status: number, code: string][] = [
  ["no JSON", "{", 400, "MR_JSON_INVALID"],
  ["an empty body", "", 400, "MR_JSON_INVALID"],
  ["bad UTF-8", Buffer.from([0x22, 0xff, 0x22]), 400, "MR_BODY_NOT_UTF8"],
  ["overlong UTF-8", Buffer.from([0x22, 0xc0, 0xa0, 0x22]), 400, "MR_BODY_NOT_UTF8"],
  ["__proto__", '{"__proto__":{"x":1},"author":"a","text":"b"}', 400, "MR_JSON_NAME"],
  ["constructor.prototype", '{"constructor":{"prototype":{}}}', 400, "MR_JSON_NAME"],
  ["a name twice", '{"author":"a","author":"b","text":"c"}', 400, "MR_JSON_DUPLICATE_NAME"],
  ["too deep", deep, 400, "MR_JSON_TOO_DEEP"],
  ["a number that loses digits", '{"likes":12345678901234567890}', 400, "MR_JSON_NUMBER"],
  ["too large", `"${"x".repeat(limits.bodyBytesMax)}"`, 413, "MR_BODY_TOO_LARGE"],
  ["a wrong type", '"text"', 422, "MR_DATA_INVALID"],
];
it.each(badBodies)("refuses %s and stores nothing", async (_name, body, status, code) => {
  const { port, stored } = await startGateway();
  const headers = { "content-type": "application/json" };
  const answer = await sendPlain(port, { path, headers, body });
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
  expect(answer.headers["content-type"]).toBe("application/problem+json");
  expect(await stored()).toEqual([]);
});

it("tells every fault of the data with its own pointer", async () => {
  const { fetch } = await startGateway();
  const response = await fetch(path, json({ author: "", text: 5, likes: "many" }));
  const { errors } = (await response.json()) as { errors: { pointer: string }[] };
  expect(errors.map(({ pointer }) => pointer).sort()).toEqual([
    "#/data/author",
    "#/data/likes",
    "#/data/text",
  ]);
});

const badHeaders: [name: string, headers: Record<string, string>, status: number, code: string][] =
  [
    ["a content type of another kind", { "content-type": "text/plain" }, 415, "MR_MEDIA_TYPE"],
    [
      "another charset",
      { "content-type": "application/json; charset=utf-16" },
      415,
      "MR_MEDIA_TYPE",
    ],
    ["a compressed body", { "content-encoding": "gzip" }, 415, "MR_MEDIA_TYPE"],
    ["a Prefer that is none", { prefer: "wait=" }, 400, "MR_PREFER_INVALID"],
    ["a wait that is no number", { prefer: "wait=soon" }, 400, "MR_PREFER_INVALID"],
    ["a negative wait", { prefer: "wait=-1" }, 400, "MR_PREFER_INVALID"],
    ["a key with a space", key("two words"), 400, "MR_IDEMPOTENCY_KEY"],
    ["a key that is a list", key('"a", "b"'), 400, "MR_IDEMPOTENCY_KEY"],
    ["an empty key", key('""'), 400, "MR_IDEMPOTENCY_KEY"],
    ["a key too long", key(`"${"k".repeat(256)}"`), 400, "MR_IDEMPOTENCY_KEY"],
  ];
it.each(badHeaders)("refuses %s and stores nothing", async (_name, headers, status, code) => {
  const { port, stored } = await startGateway();
  const body = JSON.stringify(ada);
  const all = { "content-type": "application/json", ...headers };
  const answer = await sendPlain(port, { path, headers: all, body });
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([status, code]);
  expect(await stored()).toEqual([]);
});

it("refuses an unknown type before it reads the body", async () => {
  const { port } = await startGateway();
  // The body never comes; the answer does.
  const answer = await sendRaw(
    port,
    "POST /events/nobody.knows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
      "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
  );
  expect(answer).toContain("404 Not Found");
  expect(answer).toContain("MR_EVENT_UNKNOWN");
  expect(answer).not.toContain("100 Continue");
});

it("asks for the body of who waits for a word, once everything else is right", async () => {
  const { port } = await startGateway();
  const body = JSON.stringify(ada);
  const answer = await sendRaw(
    port,
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n` +
      `Expect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 202 Accepted/);
});

/** Each of these once made a server parse by one type and validate by another, or not at all. */
const mediaTypes: [header: string, status: number][] = [
  ["application/json", 422],
  ["Application/JSON", 422],
  ["application/json\t; charset=utf-8", 422],
  [" application/json", 422],
  ['application/json;charset="UTF-8"', 422],
  ["application/json garbage", 415],
  ["application/json\tgarbage", 415],
  ["application/json; charset=utf-8 garbage", 415],
  ["application/json;", 415],
  ["application/json, text/plain", 415],
  ["application/jsonx", 415],
  ["x application/json", 415],
];
it.each(mediaTypes)("reads the media type %j strictly and once", async (header, status) => {
  const { port, stored } = await startGateway();
  const answer = await sendRaw(
    port,
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${header}\r\n` +
      'Content-Length: 12\r\n\r\n{"author":1}',
  );
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(await stored()).toEqual([]);
});

it("counts a chunked body's bytes and refuses it past the limit", async () => {
  const { port, stored } = await startGateway();
  const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
  const body = Buffer.alloc(limits.bodyBytesMax + 1, 0x20);
  const answer = await sendPlain(port, { path, headers, body });
  expect([answer.status, JSON.parse(answer.body).code]).toEqual([413, "MR_BODY_TOO_LARGE"]);
  expect(await stored()).toEqual([]);
});
