/**
 * Connections that end: because the balancer stops, or because what comes on them cannot be read.
 * Whoever sent a whole request gets its answer, and everybody else a reason.
 */
import type { RequestListener } from "node:http";
import { expect, test } from "vitest";
import { openRaw, startBalancer, startGateway, until } from "./support.ts";

const ok: RequestListener = (_request, response) => response.end("ok");

test("requests that are on their way while it stops are answered, each as the last", async () => {
  await using gateway = await startGateway("one", ok);
  const front = await startBalancer([gateway], { limits: { lingerMs: 10_000 } });
  const raw = openRaw(front.port);
  raw.socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until(() => raw.text().endsWith("ok"));
  const stopped = front.balancer.stop();
  raw.socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await raw.closed;
  expect(raw.text().match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  expect(raw.text()).toMatch(/connection: close/i);
  await stopped;
});

test.each([
  ["a bad chunk", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"],
  ["a chunk that ends elsewhere", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n"],
])("%s is told as a problem, and nothing of it goes on", async (_name, rest) => {
  await using gateway = await startGateway("one", ok);
  await using front = await startBalancer([gateway]);
  const raw = openRaw(front.port);
  raw.socket.write(`POST /events/a HTTP/1.1\r\nHost: localhost\r\n${rest}`);
  await raw.closed;
  expect(raw.text()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n.*"MR_HTTP_REFUSED"/is);
  expect(gateway.seen).toHaveLength(0);
});

test("a request that came whole is answered, whatever follows it", async () => {
  await using gateway = await startGateway("one", (_request, response) => {
    setImmediate(() => response.end("ok"));
  });
  await using front = await startBalancer([gateway]);
  const raw = openRaw(front.port);
  raw.socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n\0garbage\r\n\r\n");
  await raw.closed;
  expect(raw.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*connection: close.*ok$/is);
});

test("CONNECT is refused in words", async () => {
  await using gateway = await startGateway("one", ok);
  await using front = await startBalancer([gateway]);
  const raw = openRaw(front.port);
  raw.socket.write("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
  await raw.closed;
  expect(raw.text()).toMatch(/^HTTP\/1\.1 405 .*"MR_METHOD_NOT_ALLOWED"/is);
});
