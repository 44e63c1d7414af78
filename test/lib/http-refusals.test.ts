/**
 * Proves that what Node's parser lets through (and two parties might read differently) is refused:
 * every row is sent as raw bytes over a real socket to a real server that asks `httpRefusal` first.
 * A row that some Node's parser refuses by itself stays: either of the two has to refuse it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorCodes } from "../../src/lib/error-codes.ts";
import { httpRefusal, originForm } from "../../src/lib/http-refusals.ts";
import { limits } from "../../src/lib/limits.ts";
import { type RefusalRow, refusalRows } from "../support/http-refusal-rows.ts";

const server = createServer({ maxHeaderSize: limits.headerBytesMax });
server.maxHeadersCount = limits.headerCountMax;
const handle = (request: IncomingMessage, response: ServerResponse) => {
  const refusal = httpRefusal(request);
  response.setHeader("connection", "close");
  response.statusCode = refusal?.status ?? 200;
  response.setHeader("x-code", refusal?.code ?? "accepted").end();
};
server.on("request", handle).on("checkContinue", handle).on("checkExpectation", handle);
server.on("clientError", (_error, socket) => {
  socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nparser");
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** Sends bytes and collects all that comes back until the connection is closed. */
function exchange(bytes: string): Promise<string> {
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1").on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", reject).on("close", () => resolve(answer));
    socket.write(bytes, "latin1");
  });
}

describe("what the parser lets through", () => {
  test.each(refusalRows)("$name", async ({ raw, code }: RefusalRow) => {
    const answer = await exchange(raw);
    const isParsersOwn = answer.endsWith("parser");
    if (code === undefined) {
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    } else if (!isParsersOwn) {
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${errorCodes[code].status} `));
      expect(answer).toContain(code);
    }
    expect(answer).not.toBe("");
  });
});

test("a target that came as a whole URL is read as its path", () => {
  expect(originForm("/a?b")).toBe("/a?b");
  expect(originForm("http://host/a?b")).toBe("/a?b");
  expect(originForm("https://host")).toBe("/");
  expect(originForm("http://host?b")).toBe("/?b");
});
