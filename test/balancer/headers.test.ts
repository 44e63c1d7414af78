/**
 * Proves what a gateway gets to see of a request, and a client of an answer: nothing that belongs
 * to one connection, nothing that only we may say, and ours always.
 */
import type { IncomingHttpHeaders } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noTracing } from "../../src/tracing/no-tracing.ts";
import type { HopOptions, TraceContext, Tracing } from "../../src/tracing/tracing.ts";
import { exchangeRaw, send, startBalancer, startGateway, type TestGateway } from "./support.ts";

const hops: { step: string; parent: TraceContext; options: HopOptions; result?: object }[] = [];
const child: TraceContext = { traceId: "c".repeat(32), spanId: "d".repeat(16), sampled: true };
const tracing: Tracing = {
  ...noTracing,
  hop: (step, parent, options) => {
    const hop: (typeof hops)[number] = { step, parent, options };
    hops.push(hop);
    return {
      context: child,
      end: (result = {}) => {
        hop.result = result;
      },
    };
  },
};

let gateway: TestGateway;
let front: Awaited<ReturnType<typeof startBalancer>>;
beforeAll(async () => {
  gateway = await startGateway("one", (_, response) => {
    response.writeHead(200, {
      "content-length": 0,
      connection: "keep-alive, x-hop",
      "keep-alive": "timeout=99",
      server: "gatewayd/1",
      "x-powered-by": "gatewayd",
      "x-app": "stays",
      "set-cookie": ["a=1", "b=2"],
    });
    response.end();
  });
  front = await startBalancer([gateway], { tracing, publishPaths: ["/hooks/github"] });
});
afterAll(async () => {
  await front[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
});

/** The headers that the gateway sees of a request with these. */
async function seenOf(
  headers: Record<string, string>,
  method = "GET",
  path = "/timelines/home",
): Promise<IncomingHttpHeaders> {
  await send(front.port, { method, path, headers });
  return gateway.seen.at(-1)?.headers ?? {};
}

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("towards the gateway", () => {
  test("forwarding headers say what we know, whatever the client claims", async () => {
    const seen = await seenOf({
      host: "api.test:80",
      forwarded: "for=6.6.6.6;proto=https",
      "x-forwarded-for": "6.6.6.6",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "evil.test",
      "x-forwarded-user": "admin",
      "x-real-ip": "6.6.6.6",
    });
    expect(seen).toMatchObject({
      host: "api.test:80",
      forwarded: 'for=127.0.0.1;host="api.test:80";proto=http',
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "api.test:80",
    });
    expect(seen).not.toHaveProperty("x-forwarded-user");
    expect(seen).not.toHaveProperty("x-real-ip");
  });

  test("what the gateway needs goes on, what nobody asked for does not", async () => {
    const kept = {
      accept: "text/html",
      authorization: "Bearer a",
      "content-type": "application/json",
      "ce-id": "1",
      "idempotency-key": '"a"',
      "millrace-after": "1:2",
      prefer: "wait=5",
      "if-none-match": '"a"',
    };
    const dropped = {
      "x-custom": "1",
      "millrace-event-id": "0199-spoofed",
      "millrace-client": "admin",
      te: "trailers",
      "keep-alive": "timeout=1",
      "proxy-authorization": "Basic a",
      "proxy-connection": "keep-alive",
      via: "1.1 a",
    };
    const seen = await seenOf({ ...kept, ...dropped });
    expect(seen).toMatchObject(kept);
    for (const name of Object.keys(dropped)) expect(seen).not.toHaveProperty(name);
  });

  test("no client can remove our headers by naming them in Connection", async () => {
    const before = gateway.seen.length;
    const named = "x-forwarded-for, authorization";
    const raw = `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nConnection: ${named}\r\n\r\n`;
    expect(await exchangeRaw(front.port, raw)).toMatch(/^HTTP\/1\.1 400 /);
    expect(gateway.seen).toHaveLength(before);
    const seen = await seenOf({ connection: "close, te", te: "trailers" });
    expect(seen).toMatchObject({ "x-forwarded-for": "127.0.0.1" });
    expect(seen).not.toHaveProperty("connection");
    expect(seen).not.toHaveProperty("te");
  });

  test("a webhook keeps its sender's headers, but not the right to speak for us", async () => {
    const sent = { "x-hub-signature-256": "sha256=a", "x-github-delivery": "1", host: "a.test" };
    const claims = { "x-forwarded-for": "6.6.6.6", "millrace-event-id": "spoofed", via: "1.1 a" };
    const seen = await seenOf({ ...sent, ...claims }, "POST", "/hooks/github");
    expect(seen).toMatchObject({ ...sent, "x-forwarded-for": "127.0.0.1" });
    expect(seen["millrace-event-id"]).toMatch(uuidv7);
    expect(seen).not.toHaveProperty("via");
  });

  test.each([
    ["POST", "/events", {}, true],
    ["POST", "/events/post.published", {}, true],
    ["POST", "/events/post.published?a=b", {}, true],
    ["POST", "/hooks/github", {}, true],
    ["POST", "/events/post.published", { "idempotency-key": "k" }, false],
    ["POST", "/events/a/b", {}, false],
    ["POST", "/timelines/home", {}, false],
    ["GET", "/events/post.published", {}, false],
  ] as const)("%s %s %j is stamped with an id: %s", async (method, path, headers, isStamped) => {
    const seen = await seenOf(headers, method, path);
    if (isStamped) expect(seen["millrace-event-id"]).toMatch(uuidv7);
    else expect(seen).not.toHaveProperty("millrace-event-id");
  });

  test("a target that came as a whole URL goes on as its path", async () => {
    await exchangeRaw(
      front.port,
      "GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n",
    );
    expect(gateway.seen.at(-1)?.url).toBe("/x?y");
  });

  test("HTTP/1.0 without a host becomes HTTP/1.1 with one", async () => {
    expect(await exchangeRaw(front.port, "GET /x HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
    expect(gateway.seen.at(-1)).toMatchObject({
      httpVersion: "1.1",
      headers: { host: "localhost" },
    });
  });
});

describe("the trace", () => {
  const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const childTraceparent = `00-${child.traceId}-${child.spanId}-01`;

  test("hop 1 is a child of the client's context and the parent of what follows", async () => {
    hops.length = 0;
    const seen = await seenOf({ traceparent, tracestate: "v=1" });
    expect(seen).toMatchObject({ traceparent: childTraceparent, tracestate: "v=1" });
    expect(hops).toMatchObject([
      {
        step: "user → load balancer",
        parent: { traceId: "a".repeat(32), spanId: "b".repeat(16) },
        result: { attributes: { "http.response.status_code": 200 } },
      },
    ]);
  });

  test("a malformed context is as if absent, its tracestate too", async () => {
    const seen = await seenOf({ traceparent: "00-xyz", tracestate: "v=1" });
    expect(seen).toMatchObject({ traceparent: childTraceparent });
    expect(seen).not.toHaveProperty("tracestate");
  });

  test("a refusal is a hop too, with its code", async () => {
    hops.length = 0;
    const answer = await exchangeRaw(front.port, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(answer).toContain(`"traceId":"${child.traceId}"`);
    expect(answer).toMatch(/\r\nallow: GET, /);
    expect(hops).toMatchObject([{ result: { error: "MR_METHOD_NOT_ALLOWED" } }]);
  });
});

test("towards the client: end-to-end headers only, and nothing about what the gateway is", async () => {
  const { headers } = await send(front.port, { headers: { connection: "keep-alive" } });
  expect(headers).toMatchObject({ "x-app": "stays", "set-cookie": ["a=1", "b=2"] });
  expect(headers["keep-alive"]).not.toBe("timeout=99");
  for (const name of ["server", "x-powered-by"]) expect(headers).not.toHaveProperty(name);
});
