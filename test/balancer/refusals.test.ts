/**
 * Proves that nothing which two parsers could read differently gets past the balancer: every raw
 * request of the table is refused with its status and its connection closed, and no gateway sees
 * it. What passes, passes exactly once: as many requests behind the balancer as before it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorCodes } from "../../src/lib/error-codes.ts";
import { limits } from "../../src/lib/limits.ts";
import { refusalRows } from "../support/http-refusal-rows.ts";
import { exchangeRaw, startBalancer, startGateway, type TestGateway } from "./support.ts";

let gateway: TestGateway;
let front: Awaited<ReturnType<typeof startBalancer>>;

beforeAll(async () => {
  gateway = await startGateway("one", (request, response) => {
    request.resume().on("end", () => response.end("passed"));
  });
  front = await startBalancer([gateway]);
});
afterAll(async () => {
  await front[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
});

/** A request that would pass, sent behind one that is refused. */
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

describe("raw requests", () => {
  test.each(refusalRows)("$name", async ({ raw, code }) => {
    const before = gateway.seen.length;
    const answer = await exchangeRaw(front.port, code === undefined ? raw : raw + smuggled);
    if (code === undefined) {
      expect(answer).toMatch(/^HTTP\/1\.1 200 .*passed$/s);
      expect(gateway.seen.length).toBe(before + 1);
      return;
    }
    // Some Node's own parser may refuse a row first, with its own reason.
    const { status } = errorCodes[code];
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 (${status}|400) `));
    expect(answer).toMatch(/\r\ncontent-type: application\/problem\+json\r\n/i);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer.match(/HTTP\/1\.1 [0-9]/g)).toHaveLength(1);
    expect(gateway.seen.length).toBe(before);
  });
});

describe("what Node's parser refuses", () => {
  const post = (...lines: string[]) =>
    ["POST /events/a HTTP/1.1", "Host: a.test", ...lines, "", "a"].join("\r\n");
  test.each([
    ["a length and chunks", post("Content-Length: 1", "Transfer-Encoding: chunked"), 400],
    ["two lengths", post("Content-Length: 1", "Content-Length: 2"), 400],
    ["a signed length", post("Content-Length: +1"), 400],
    ["a space before the colon", post("Content-Length : 1"), 400],
    ["a folded header", post("x: a", " b"), 400],
    ["no host", "GET / HTTP/1.1\r\n\r\n", 400],
    ["another protocol", "EHLO a.test\r\n\r\n", 400],
    ["headers that are too large", post(`x: ${"a".repeat(limits.headerBytesMax)}`), 431],
  ])("%s is told as a problem too", async (_name, raw, status) => {
    const before = gateway.seen.length;
    const answer = await exchangeRaw(front.port, raw);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const problem = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")));
    expect(problem).toMatchObject({ status, type: expect.stringMatching(/^\/problems\//) });
    expect(gateway.seen.length).toBe(before);
  });
});

test("a refusal behind a request that is still under way does not disturb its answer", async () => {
  const raw =
    "GET /first HTTP/1.1\r\nHost: a.test\r\n\r\nGET /second HTTP/1.1\r\nHost: a b\r\n\r\n" +
    smuggled;
  const before = gateway.seen.length;
  const answer = await exchangeRaw(front.port, raw);
  expect(answer).toMatch(/^HTTP\/1\.1 200 .*passedHTTP\/1\.1 400 /s);
  expect(gateway.seen.slice(before).map(({ url }) => url)).toEqual(["/first"]);
});
