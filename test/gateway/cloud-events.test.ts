/**
 * CloudEvents 1.0.2 over HTTP: the specification's own examples in its three modes, what it says of
 * headers, and every way in which an event can be malformed. A real gateway over a memory queue.
 */
import { defineEvent, defineSystem } from "millrace";
import { expect, it } from "vitest";
import { z } from "zod";
import { decodeHeaderValue } from "../../src/gateway/cloud-events/header-value.ts";
import { limits } from "../../src/lib/limits.ts";
import { sendPlain, startGateway } from "./support.ts";

const Anything = defineEvent("com.example.someevent", {
  data: z.unknown(),
  key: () => "one",
});
const system = defineSystem("cloud", { accepts: [Anything], workers: [] });
const start = () => startGateway({ system });

const structured = "application/cloudevents+json";
const batched = "application/cloudevents-batch+json";

/** The event of the specification's examples, without its data. */
const attributes = {
  specversion: "1.0",
  type: "com.example.someevent",
  source: "/mycontext/subcontext",
  id: "1234-1234-1234",
  time: "2018-04-05T03:56:24Z",
};
const extensions = { comexampleextension1: "value", comexampleothervalue: 5 };

const post = (body: unknown, type: string, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": type, ...headers },
  body: JSON.stringify(body),
});

it("takes the structured example and keeps what the client gave", async () => {
  const { fetch, stored } = await start();
  const event = { ...attributes, ...extensions, datacontenttype: "application/json" };
  const body = { ...event, data: { appinfoA: "abc", appinfoB: 123, appinfoC: true } };
  const response = await fetch("/events", post(body, `${structured}; charset=UTF-8`));
  expect(response.status).toBe(202);
  expect(response.headers.get("location")).toBe(
    `/events/1234-1234-1234?source=${encodeURIComponent(attributes.source)}`,
  );
  const [only] = await stored();
  expect(only?.event).toEqual({
    ...{ id: attributes.id, source: attributes.source, type: attributes.type },
    ...{ key: "one", time: attributes.time },
    data: '{"appinfoA":"abc","appinfoB":123,"appinfoC":true}',
    attributes: { extensions, traceparent: expect.any(String) },
  });
  const repeat = await fetch("/events", post(body, structured));
  expect(await repeat.json()).toMatchObject({ id: attributes.id, duplicate: true });
  const other = await fetch("/events", post({ ...body, source: "/other" }, structured));
  expect(await other.json(), "source and id together").not.toHaveProperty("duplicate");
});

it("takes the binary example, with its header values decoded", async () => {
  const { port, stored } = await start();
  const headers = {
    "content-type": "application/json; charset=utf-8",
    "ce-specversion": "1.0",
    "ce-type": "com.example.someevent",
    "ce-time": "2018-04-05T03:56:24Z",
    "ce-id": "1234-1234-1234",
    "ce-source": "/mycontext/subcontext",
    "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80",
    "ce-partitionkey": "theirs",
    "ce-traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "ce-tracestate": "a=b",
  };
  const body = '{"hello":"world"}';
  const answer = await sendPlain(port, { path: "/events", headers, body });
  expect(answer.status).toBe(202);
  const [only] = await stored();
  expect(only?.event).toMatchObject({ id: "1234-1234-1234", key: "one", data: body });
  expect(only?.event.attributes).toEqual({
    subject: "Euro € 😀",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "a=b",
  });
});

it("takes the batch example, and an empty batch", async () => {
  const { fetch, stored } = await start();
  const batch = [
    { ...attributes, id: "B234-1234-1234", data: "one" },
    { ...attributes, id: "C234-1234-1234", data: { appinfoA: "abc" } },
  ];
  const response = await fetch("/events", post(batch, batched));
  expect(response.status).toBe(202);
  expect(await response.json()).toMatchObject({
    accepted: 2,
    duplicates: 0,
    receipts: [{ id: "B234-1234-1234" }, { id: "C234-1234-1234" }],
  });
  expect((await stored()).map(({ event }) => event.data)).toEqual(['"one"', '{"appinfoA":"abc"}']);
  const empty = await fetch("/events", post([], batched));
  expect([empty.status, await empty.json()]).toMatchObject([202, { accepted: 0, receipts: [] }]);
});

it("sets the time where there is none, and drops a trace context that is none", async () => {
  const { fetch, stored } = await start();
  const { time: _, ...rest } = attributes;
  const body = { ...rest, traceparent: "nonsense", tracestate: "a=b", subject: null };
  expect((await fetch("/events", post(body, structured))).status).toBe(202);
  const [only] = await stored();
  expect(Date.parse(only?.event.time ?? "")).not.toBeNaN();
  expect(only?.event.attributes.tracestate).toBeUndefined();
  expect(only?.event.data).toBe("null");
});

it("reads JSON from data_base64", async () => {
  const { fetch, stored } = await start();
  const data_base64 = Buffer.from('{"a":1}').toString("base64");
  expect((await fetch("/events", post({ ...attributes, data_base64 }, structured))).status).toBe(
    202,
  );
  expect((await stored())[0]?.event.data).toBe('{"a":1}');
});

type Row = [name: string, body: unknown, pointers: string[]];
const malformed: Row[] = [
  ["nothing at all", {}, ["#/specversion", "#/id", "#/source", "#/type"]],
  ["another version", { ...attributes, specversion: "0.3" }, ["#/specversion"]],
  ["an empty id", { ...attributes, id: "" }, ["#/id"]],
  ["an id that is no string", { ...attributes, id: 7 }, ["#/id"]],
  ["an id too long", { ...attributes, id: "x".repeat(limits.idBytesMax + 1) }, ["#/id"]],
  ["a source that is no URI", { ...attributes, source: "two words" }, ["#/source"]],
  ["a time that is none", { ...attributes, time: "yesterday" }, ["#/time"]],
  ["a day that does not exist", { ...attributes, time: "2026-02-30T00:00:00Z" }, ["#/time"]],
  ["a relative dataschema", { ...attributes, dataschema: "/x" }, ["#/dataschema"]],
  ["an upper-case name", { ...attributes, bigName: "x" }, ["#/bigName"]],
  ["an extension that is an object", { ...attributes, ext: {} }, ["#/ext"]],
  ["an extension past 32 bits", { ...attributes, ext: 2 ** 31 }, ["#/ext"]],
  ["an empty partition key", { ...attributes, partitionkey: "" }, ["#/partitionkey"]],
  ["data twice", { ...attributes, data: 1, data_base64: "MQ==" }, ["#/data"]],
  ["base64 that is none", { ...attributes, data_base64: "%%" }, ["#/data_base64"]],
];
it.each(malformed)("refuses an event with %s", async (_name, body, pointers) => {
  const { fetch, stored } = await start();
  const response = await fetch("/events", post(body, structured));
  const problem = (await response.json()) as { code: string; errors: { pointer: string }[] };
  expect([response.status, problem.code]).toEqual([400, "MR_CLOUDEVENT_INVALID"]);
  expect(problem.errors.map(({ pointer }) => pointer)).toEqual(pointers);
  const inBatch = await fetch("/events", post([attributes, body], batched));
  const second = (await inBatch.json()) as { errors: { pointer: string }[] };
  expect(second.errors.map(({ pointer }) => pointer)).toEqual(
    pointers.map((pointer) => pointer.replace("#", "#/1")),
  );
  expect(await stored(), "nothing of the batch either").toEqual([]);
});

const refused: [name: string, request: RequestInit, status: number, code: string][] = [
  ["another format", post({}, "application/cloudevents+avro"), 415, "MR_MEDIA_TYPE"],
  ["another batch format", post([], "application/cloudevents-batch+avro"), 415, "MR_MEDIA_TYPE"],
  ["no format", post({}, "application/cloudevents"), 415, "MR_MEDIA_TYPE"],
  [
    "data that is XML",
    post({ ...attributes, datacontenttype: "text/xml", data: "<a/>" }, structured),
    415,
    "MR_MEDIA_TYPE",
  ],
  [
    "a type nobody knows",
    post({ ...attributes, type: "x.y" }, structured),
    404,
    "MR_EVENT_UNKNOWN",
  ],
  ["plain data without headers", post({ a: 1 }, "application/json"), 400, "MR_CLOUDEVENT_INVALID"],
  ["an event that is a list", post([], structured), 400, "MR_CLOUDEVENT_INVALID"],
  ["a batch that is none", post({}, batched), 400, "MR_CLOUDEVENT_INVALID"],
  [
    "a batch too long",
    post(new Array(limits.batchEventsMax + 1).fill(attributes), batched),
    413,
    "MR_TOO_MANY_EVENTS",
  ],
];
it.each(refused)("refuses %s", async (_name, request, status, code) => {
  const { fetch, stored } = await start();
  const response = await fetch("/events", request);
  expect([response.status, await response.json()]).toMatchObject([status, { code }]);
  expect(await stored()).toEqual([]);
});

it("says where plain data belongs", async () => {
  const { fetch } = await start();
  const response = await fetch("/events", post({ a: 1 }, "application/json"));
  expect(await response.json()).toMatchObject({
    detail: expect.stringContaining("POST /events/{type}"),
  });
});

it("refuses ce-datacontenttype, for which Content-Type stands", async () => {
  const { port } = await start();
  const named = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]);
  const headers = { ...Object.fromEntries(named), "content-type": "application/json" };
  const request = { path: "/events", headers, body: "1" };
  expect((await sendPlain(port, request)).status).toBe(202);
  const also = { ...headers, "ce-datacontenttype": "application/json" };
  const answer = await sendPlain(port, { ...request, headers: also });
  expect(JSON.parse(answer.body)).toMatchObject({ errors: [{ pointer: "#/datacontenttype" }] });
});

/** Section 3.1.3.2 of the HTTP binding. */
const decoded: [value: string, text: string][] = [
  ["plain", "plain"],
  ["a%20b", "a b"],
  ["%22quoted%22", '"quoted"'],
  ['"in quotes"', "in quotes"],
  ['"with \\"escapes\\" \\\\"', 'with "escapes" \\'],
  ["%25", "%"],
  ["%2525", "%25"],
  ["%e2%82%ac", "€"],
  ["%F0%9F%98%80", "😀"],
];
it.each(decoded)("decodes the header value %s", (value, text) => {
  expect(decodeHeaderValue("subject", value)).toBe(text);
});

it.each(["%C0%A0", "%ED%A0%80", "%FF", "%", "%2", "%zz", "%E2%82"])(
  "refuses the header value %s",
  (value) => {
    expect(() => decodeHeaderValue("subject", value)).toThrow(/percent-encoded UTF-8/);
  },
);

it.each([
  ["NUL in its id", { id: "n\u0000a" }, "#/id"],
  ["a line break in its id", { id: "a\r\nb" }, "#/id"],
  ["half a character in its id", { id: "u1\ud800" }, "#/id"],
  ["a control character in its subject", { subject: "a\u0007" }, "#/subject"],
  ["half a character in an extension", { colour: "\udc00" }, "#/colour"],
])("refuses an event with %s", async (_what, flaw, pointer) => {
  const { fetch, stored } = await start();
  const answer = await fetch("/events", post({ ...attributes, ...flaw }, structured));
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({
    code: "MR_CLOUDEVENT_INVALID",
    errors: [expect.objectContaining({ pointer })],
  });
  expect(await stored()).toEqual([]);
});

it("stores a batch as a whole or not at all where its key was used for something else", async () => {
  const { fetch, stored } = await start();
  const send = (...events: object[]) =>
    fetch("/events", post(events, batched, { "idempotency-key": "batch" }));
  const event = (id: string, data: string) => ({ ...attributes, id, data });
  expect((await send(event("a", "first"))).status).toBe(202);
  expect((await send(event("a", "other"), event("b", "sneaked"))).status).toBe(422);
  expect((await send(event("c", "one"), event("c", "two"))).status).toBe(422);
  expect((await stored()).map(({ event: { id } }) => id)).toEqual(["a"]);
});
