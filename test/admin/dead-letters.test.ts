/** Every address of dead letters on the admin port, and every refusal, over a real worker. */
import { expect, it, vi } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { wait } from "../worker/bench.ts";
import { openPort } from "./support.ts";

it("lists dead letters by what they have in common, page by page, with their count", async () => {
  const port = await openPort();
  const ids = await port.bury("a", -1, -2, -3);
  const [other] = await port.bury("b", -4);
  const all = await port.get("/dead-letters");
  expect(all).toMatchObject({ status: 200, json: { count: 4, next: null } });
  const first = all.json.deadLetters.find(({ id }: { id: string }) => id === ids[0]);
  expect(first).toMatchObject({
    worker: "counter",
    id: ids[0],
    type: "thing.counted",
    key: "a",
    data: { key: "a", n: -1 },
    attempts: 1,
    error: { name: "Reject", message: "no -1" },
    isHeld: false,
  });
  expect(new Date(first.diedAt).getTime()).toBeGreaterThan(0);
  expect((await port.get("/dead-letters?key=b")).json).toMatchObject({
    count: 1,
    deadLetters: [{ id: other }],
  });
  const { fingerprint } = first;
  for (const [query, count] of [
    ["worker=counter", 4],
    ["type=thing.counted", 4],
    ["type=thing.other", 0],
    [`fingerprint=${fingerprint}`, 4],
    ["since=1h", 4],
    [`until=${new Date(0).toISOString()}`, 0],
    ["key=a&type=thing.counted&since=1h", 3],
  ] as const) {
    expect((await port.get(`/dead-letters?${query}`)).json.count, query).toBe(count);
  }
  const seen: string[] = [];
  for (let next: string | null = ""; next !== null; ) {
    const after: string = next === "" ? "" : `&after=${next}`;
    const { json } = await port.get(`/dead-letters?limit=2${after}`);
    expect(json.count).toBe(4);
    seen.push(...json.deadLetters.map(({ id }: { id: string }) => id));
    next = json.next;
  }
  expect(seen.toSorted()).toEqual([...ids, other].toSorted());
  expect((await port.get("/dead-letters/groups?limit=1")).json).toEqual({
    count: 4,
    groups: [
      expect.objectContaining({ worker: "counter", fingerprint, count: 4, type: "thing.counted" }),
    ],
  });
});

it("streams all of them as lines to those who ask for lines", async () => {
  const port = await openPort();
  const ids = await port.bury("a", ...Array.from({ length: 50 }, (_, index) => -1 - index));
  const lines = { accept: "application/x-ndjson" };
  const all = await port.get("/dead-letters", lines);
  expect(all.headers.get("content-type")).toBe("application/x-ndjson");
  const told = all.text.trimEnd().split("\n");
  expect(told.map((line) => JSON.parse(line).id)).toEqual(ids);
  expect((await port.get("/dead-letters?limit=5", lines)).status).toBe(400);
});

it("shows, tries out, mends and retries one", async () => {
  const port = await openPort();
  const [id] = await port.bury("a", -1);
  const path = `/dead-letters/counter/${id}`;
  expect((await port.get(path)).json).toMatchObject({ id, data: { n: -1 }, history: [{}] });
  expect((await port.send("POST", `${path}/dry-run`)).json).toMatchObject({
    id,
    worker: "counter",
    error: { name: "Reject" },
    emitted: [],
  });
  const wrong = await port.send("PUT", `${path}/data`, { key: "a", n: "many" });
  expect(wrong).toMatchObject({ status: 422, json: { code: "MR_DATA_INVALID" } });
  expect(wrong.json.errors[0].pointer).toBe("#/n");
  expect(wrong.headers.get("content-type")).toBe("application/problem+json");
  const moved = await port.send("PUT", `${path}/data`, { key: "b", n: 1 });
  expect(moved).toMatchObject({ status: 422, json: { code: "MR_KEY_NOT_STRING" } });
  const twice = await port.send("PUT", `${path}/data`, '{"key":"a","n":1,"n":2}');
  expect(twice).toMatchObject({ status: 400, json: { code: "MR_JSON_DUPLICATE_NAME" } });
  expect((await port.get(path)).json.data).toEqual({ key: "a", n: -1 });
  expect((await port.send("PUT", `${path}/data`, { key: "a", n: 5 })).json).toEqual({
    worker: "counter",
    id,
    data: { key: "a", n: 5 },
  });
  expect((await port.send("POST", `${path}/dry-run`, {})).json).toMatchObject({
    error: null,
    emitted: [{ type: "thing.followed", data: { key: "a", n: 5 }, attributes: { cause: id } }],
    touched: ["count:a"],
  });
  expect(await port.bench.effects(port.instance)).toEqual([]);
  expect((await port.send("POST", `${path}/retry`)).json).toEqual({
    worker: "counter",
    id,
    count: 1,
  });
  await vi.waitFor(
    async () => expect(await port.bench.effects(port.instance)).toMatchObject([{ id, n: 5 }]),
    wait,
  );
  expect(await port.send("POST", `${path}/retry`)).toMatchObject({
    status: 404,
    json: { code: "MR_EVENT_NOT_FOUND" },
  });
  expect(port.logged.join("\n")).toMatch(
    /dead letter: edit .*anonymous.*\n(?:.*\n)*dead letter: retry/,
  );
});

it("discards one, and tells apart what several sources called the same", async () => {
  const port = await openPort();
  const [id = ""] = await port.bury("a", -1);
  const { event } = (await port.letters.list({ id }, 1))[0] ?? {};
  if (event === undefined) throw new Error("there is none");
  await port.bench.queue.append([{ event: { ...event, source: "/else/where" } }]);
  await vi.waitFor(async () => expect(await port.letters.count({})).toBe(2), wait);
  const path = `/dead-letters/counter/${id}`;
  expect(await port.send("POST", `${path}/discard`)).toMatchObject({
    status: 409,
    json: { code: "MR_EVENT_AMBIGUOUS", sources: ["/bench/test", "/else/where"] },
  });
  const one = await port.send("POST", `${path}/discard?source=/else/where`);
  expect(one.json).toMatchObject({ count: 1 });
  expect((await port.get(path)).json.source).toBe("/bench/test");
});

it("retries and discards many, only what a filter says, only as many as expected", async () => {
  const port = await openPort();
  await port.bury("a", -1, -2, -3);
  await port.bury("b", -4, -5);
  const post = (verb: string, body?: unknown) => port.send("POST", `/dead-letters/${verb}`, body);
  for (const body of [undefined, {}, { expected: 5 }, { rate: 10 }, { all: false }]) {
    const refused = await post("discard", body);
    expect(refused.status, JSON.stringify(body)).toBe(400);
    expect(refused.json.code).toMatch(/MR_FILTER_MISSING|MR_REQUEST_INVALID/);
  }
  const both = await post("retry", { all: true, key: "a" });
  expect(both).toMatchObject({ status: 400, json: { errors: [{ pointer: "#/all" }] } });
  const differs = await post("discard", { key: "a", expected: 2 });
  expect(differs).toMatchObject({ status: 409, json: { code: "MR_COUNT_DIFFERS", count: 3 } });
  expect(await port.letters.count({})).toBe(5);
  port.mood.isBad = () => false;
  expect((await post("retry", { key: "a", expected: 3 })).json).toEqual({ count: 3 });
  await vi.waitFor(
    async () => expect(await port.bench.effects(port.instance)).toHaveLength(3),
    wait,
  );
  const began = systemClock.monotonic();
  expect((await post("discard", { all: true, rate: 2 })).json).toEqual({ count: 2 });
  expect(systemClock.monotonic() - began).toBeLessThan(5_000);
  expect(await port.letters.count({})).toBe(0);
  expect((await post("retry", { key: "a" })).json).toEqual({ count: 0 });
});

it.each([
  ["an unknown parameter", "GET", "/dead-letters?wroker=counter", 400, "MR_REQUEST_INVALID"],
  ["a parameter twice", "GET", "/dead-letters?key=a&key=b", 400, "MR_REQUEST_INVALID"],
  ["an empty parameter", "GET", "/dead-letters?key=", 400, "MR_REQUEST_INVALID"],
  ["a limit that is none", "GET", "/dead-letters?limit=0", 400, "MR_REQUEST_INVALID"],
  ["a limit beyond the bound", "GET", "/dead-letters?limit=101", 400, "MR_REQUEST_INVALID"],
  ["a time that is none", "GET", "/dead-letters?since=yesterday", 400, "MR_REQUEST_INVALID"],
  ["a fingerprint that is none", "GET", "/dead-letters?fingerprint=x", 400, "MR_REQUEST_INVALID"],
  ["a place that is none", "GET", "/dead-letters?after=7", 400, "MR_REQUEST_INVALID"],
  ["another worker's place", "GET", "/dead-letters?after=other:0:1", 400, "MR_REQUEST_INVALID"],
  [
    "an unknown fingerprint",
    "GET",
    "/dead-letters?fingerprint=0123456789abcdef",
    404,
    "MR_EVENT_NOT_FOUND",
  ],
  [
    "one in groups",
    "GET",
    "/dead-letters/groups?fingerprint=0123456789abcdef",
    404,
    "MR_EVENT_NOT_FOUND",
  ],
  ["an unknown worker", "GET", "/dead-letters?worker=conter", 404, "MR_WORKER_UNKNOWN"],
  ["an unknown worker in the path", "GET", "/dead-letters/conter/x", 404, "MR_WORKER_UNKNOWN"],
  ["an unknown id", "GET", "/dead-letters/counter/x", 404, "MR_EVENT_NOT_FOUND"],
  ["a parameter of one", "GET", "/dead-letters/counter/x?key=a", 400, "MR_REQUEST_INVALID"],
  ["an unknown id to retry", "POST", "/dead-letters/counter/x/retry", 404, "MR_EVENT_NOT_FOUND"],
  [
    "an unknown id to discard",
    "POST",
    "/dead-letters/counter/x/discard",
    404,
    "MR_EVENT_NOT_FOUND",
  ],
  ["an unknown id to try", "POST", "/dead-letters/counter/x/dry-run", 404, "MR_EVENT_NOT_FOUND"],
  ["an unknown id to edit", "PUT", "/dead-letters/counter/x/data", 404, "MR_EVENT_NOT_FOUND"],
  ["a method without a meaning", "DELETE", "/dead-letters/counter/x", 405, "MR_METHOD_NOT_ALLOWED"],
  ["an address that there is not", "GET", "/dead-letters/", 404, "MR_NOT_FOUND"],
  ["an address that cannot be read", "GET", "/dead-letters/counter/%ff", 400, "MR_REQUEST_INVALID"],
])("refuses %s", async (_what, method, path, status, code) => {
  const port = await openPort();
  const answer = await port.send(method, path);
  expect(answer).toMatchObject({ status, json: { status, code, type: expect.anything() } });
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  if (status === 405) expect(answer.headers.get("allow")).toBe("GET, HEAD");
});

it.each([
  ["an unknown worker", { worker: "conter" }, 404, "MR_WORKER_UNKNOWN"],
  ["an unknown fingerprint", { fingerprint: "0123456789abcdef" }, 404, "MR_EVENT_NOT_FOUND"],
  ["an unknown member", { kee: "a" }, 400, "MR_REQUEST_INVALID"],
  ["a filter of the wrong kind", { key: 7 }, 400, "MR_REQUEST_INVALID"],
  ["a count of the wrong kind", { key: "a", expected: "3" }, 400, "MR_REQUEST_INVALID"],
  ["a list", [], 400, "MR_REQUEST_INVALID"],
  ["what is no JSON", "{", 400, "MR_JSON_INVALID"],
])("refuses to retry many by %s", async (_what, body, status, code) => {
  const port = await openPort();
  await port.bury("a", -1);
  expect(await port.send("POST", "/dead-letters/retry", body)).toMatchObject({
    status,
    json: { code },
  });
  expect(await port.letters.count({})).toBe(1);
});

it("keeps to itself what went wrong inside", async () => {
  const port = await openPort({
    application: async () => {
      throw new Error("a secret of the application");
    },
  });
  const [id] = await port.bury("a", -1);
  const answer = await port.send("PUT", `/dead-letters/counter/${id}/data`, { key: "a", n: 1 });
  expect(answer).toMatchObject({ status: 500, json: { code: "MR_INTERNAL" } });
  expect(answer.text).not.toContain("secret");
});
