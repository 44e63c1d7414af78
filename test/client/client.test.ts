/**
 * The client against a real gateway: publishing, asking, waiting; and what it repeats when, against
 * a `fetch` that fails as the test says and a time that only counts what was slept.
 */
import { createClient } from "millrace/client";
import { expect, it } from "vitest";
import { HttpClient } from "../../src/client/http-client.ts";
import { createTransport } from "../../src/client/transport.ts";
import type { PlainTime } from "../../src/lib/plain-time.ts";
import { ada, type social, startGateway } from "../gateway/support.ts";

async function start() {
  const running = await startGateway();
  return { ...running, client: createClient<typeof social>({ url: running.url }) };
}

it("publishes, asks after it, and waits for it", async () => {
  const { client, timelines, stored } = await start();
  const receipt = await client.publish("post.published", ada);
  expect(await stored()).toMatchObject([{ event: { id: receipt.id, data: JSON.stringify(ada) } }]);
  expect(await client.event(receipt.id)).toMatchObject({ id: receipt.id, state: "done" });
  expect(await client.waitFor(receipt)).toMatchObject({
    workers: { timelines: { state: "done" } },
  });
  const second = await client.publish("post.published", ada, { waitSeconds: 1 });
  const after = [receipt, second];
  expect(await client.query("timelines", "home", { user: "a b" }, { after })).toEqual([
    { text: "hello" },
  ]);
  expect(timelines.asked).toEqual([
    {
      ...{ name: "home", search: "user=a+b" },
      after: after.map(({ partition, position }) => ({ partition, position })),
    },
  ]);
});

it("publishes many in order, and again without a second effect", async () => {
  const { client, stored } = await start();
  const posts = Array.from({ length: 3 }, (_, index) => ({ author: "ada", text: `post ${index}` }));
  const options = { idempotencyKey: 'with "quotes"' };
  const receipts = await client.publishMany("post.published", posts, options);
  expect(receipts).toMatchObject({ accepted: 3, duplicates: 0, positions: { "14": 3 } });
  expect(await client.publishMany("post.published", posts.values(), options)).toMatchObject({
    duplicates: 3,
  });
  expect((await stored()).map(({ event }) => event.data)).toEqual(
    posts.map((post) => JSON.stringify(post)),
  );
});

it("publishes for later, and cancels it", async () => {
  const { client, stored, timelines } = await start();
  const at = new Date(Date.now() + 60_000);
  const receipt = await client.publish("post.published", ada, { at });
  expect((await stored())[0]?.event.attributes.at).toBe(at.toISOString());
  await client.cancel(receipt.id);
  timelines.state = { state: "cancelled" };
  await expect(client.waitFor(receipt)).rejects.toMatchObject({ code: "CLIENT_EVENT_CANCELLED" });
  timelines.isScheduled = false;
  await expect(client.cancel(receipt.id)).rejects.toMatchObject({ code: "MR_EVENT_BEGUN" });
});

it("publishes under an id of its own", async () => {
  const { client, stored } = await start();
  const options = { id: "order-7", source: "/shop" };
  await client.publish("post.published", ada, options);
  expect(await client.publish("post.published", ada, options)).toMatchObject({ duplicate: true });
  expect(await stored()).toMatchObject([{ event: { id: "order-7", source: "/shop" } }]);
  expect(await client.event("order-7", { source: "/shop" })).toMatchObject({ source: "/shop" });
});

it("rejects with the problem's members", async () => {
  const { client } = await start();
  const data = { author: "ada" } as typeof ada;
  await expect(client.publish("post.published", data)).rejects.toMatchObject({
    name: "ClientError",
    code: "MR_DATA_INVALID",
    status: 422,
    errors: [{ pointer: "#/data/text" }],
    traceId: expect.any(String),
    problem: { type: "/problems/data-invalid" },
  });
});

it("stops waiting for an event that a worker gave up on", async () => {
  const { client, timelines } = await start();
  const receipt = await client.publish("post.published", ada);
  timelines.state = { state: "dead", attempts: 8, error: "boom" };
  await expect(client.waitFor(receipt.id)).rejects.toMatchObject({
    code: "CLIENT_EVENT_DEAD",
    message: "timelines gave up on the event: boom.",
  });
});

/** A server that answers from a list, and a time in which only sleeping takes time. */
function scripted(answers: readonly (() => Response)[], attempts?: number) {
  const requests: { url: string; headers: Headers }[] = [];
  const slept: number[] = [];
  let nowMs = 0;
  const time: PlainTime = {
    now: () => nowMs,
    fraction: () => 0,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted();
      slept.push(ms);
      nowMs += ms;
    },
  };
  const fetch = async (url: string | URL | Request, init?: RequestInit) => {
    init?.signal?.throwIfAborted();
    requests.push({ url: String(url), headers: new Headers(init?.headers) });
    const answer = answers[Math.min(requests.length, answers.length) - 1];
    return answer?.() ?? Response.error();
  };
  const options = { url: "http://api.test/", apiKey: "mr_key", fetch };
  const all = attempts === undefined ? options : { ...options, attempts };
  return { client: new HttpClient(createTransport(all, time)), requests, slept };
}

const receipt = { id: "1", partition: 0, position: 1, durable: "disk" };
const ok = (body: object) => () => Response.json(body);
const broken = () => {
  throw new TypeError("fetch failed");
};
const problem =
  (status: number, code: string, headers: Record<string, string> = {}) =>
  () =>
    new Response(JSON.stringify({ type: "/problems/x", title: "x", status, detail: "x", code }), {
      status,
      headers: { "content-type": "application/problem+json", ...headers },
    });

it("repeats what may be different a moment later, always under the same key", async () => {
  const { client, requests, slept } = scripted([
    broken,
    problem(503, "MR_RESULT_UNKNOWN", { "retry-after": "2" }),
    problem(409, "MR_IDEMPOTENCY_RUNNING"),
    ok(receipt),
  ]);
  expect(await client.publish("a.b", {})).toEqual(receipt);
  expect(slept).toEqual([100, 2_000, 400]);
  const keys = requests.map(({ headers }) => headers.get("idempotency-key"));
  expect(keys[0]).toMatch(/^"[0-9a-f-]{36}"$/);
  expect(new Set(keys).size).toBe(1);
  expect(requests[0]?.url).toBe("http://api.test/events/a.b");
  expect(requests[0]?.headers.get("authorization")).toBe("Bearer mr_key");
});

it.each([429, 502, 503, 504])("repeats after %d, and gives up in the end", async (status) => {
  const { client, requests } = scripted([problem(status, "MR_X")], 3);
  await expect(client.query("w", "q", {})).rejects.toMatchObject({ code: "MR_X", status });
  expect(requests).toHaveLength(3);
});

it.each([400, 401, 403, 404, 409, 413, 422, 500, 507])(
  "does not repeat after %d",
  async (status) => {
    const { client, requests } = scripted([problem(status, "MR_X")]);
    await expect(client.publish("a.b", {})).rejects.toMatchObject({ code: "MR_X", status });
    expect(requests).toHaveLength(1);
  },
);

it("does not wait longer than a minute because it is told to", async () => {
  const { client, requests } = scripted([problem(429, "MR_RATE_LIMITED", { "retry-after": "61" })]);
  await expect(client.publish("a.b", {})).rejects.toMatchObject({ code: "MR_RATE_LIMITED" });
  expect(requests).toHaveLength(1);
});

it("tells that nobody answers, and what a proxy answers by itself", async () => {
  await expect(scripted([broken]).client.event("1")).rejects.toMatchObject({
    ...{ code: "CLIENT_NETWORK", status: 0 },
    cause: expect.any(TypeError),
  });
  const html = () => new Response("<h1>no</h1>", { status: 404, statusText: "Not Found" });
  await expect(scripted([html]).client.event("1")).rejects.toMatchObject({
    ...{ code: "CLIENT_HTTP", status: 404, message: "The answer was 404 Not Found." },
  });
});

it("stops at once when its signal aborts", async () => {
  const { client } = scripted([broken]);
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(client.publish("a.b", {}, { signal })).rejects.toThrow("enough");
});

it("asks until all workers are done, or the time is up", async () => {
  const pending = { id: "1", state: "pending", workers: {} };
  const done = { ...pending, state: "done" };
  const { client, requests } = scripted([ok(pending), ok(pending), ok(done)]);
  expect(await client.waitFor({ id: "a b" }, { source: "/x" })).toEqual(done);
  expect(requests.map(({ headers }) => headers.get("prefer"))).toEqual([
    ...["wait=10", "wait=10", "wait=10"],
  ]);
  expect(requests[0]?.url).toBe("http://api.test/events/a%20b?source=%2Fx");
  const late = scripted([ok(pending)]);
  await expect(late.client.waitFor("1", { timeoutMs: 250 })).rejects.toMatchObject({
    code: "CLIENT_TIMEOUT",
  });
  expect(late.slept).toEqual([100, 100, 100]);
});
