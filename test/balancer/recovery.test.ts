/**
 * Proves what becomes of a request whose gateway breaks, hangs, declines or answers nonsense: what
 * is safe to repeat goes elsewhere, what is not is told plainly, and no connection on which
 * anything was unclear serves another request.
 */
import type { RequestListener } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { expect, test } from "vitest";
import { limits } from "../../src/lib/limits.ts";
import { openRaw, send, startBalancer, startGateway, until } from "./support.ts";

const ok: RequestListener = (_request, response) => response.end("ok");
const hangUp: RequestListener = (request) => request.socket.destroy();

/** A gateway that answers with raw bytes, whatever HTTP makes of them. */
async function startRawGateway(name: string, answer: (text: string, socket: Socket) => void) {
  const sockets = new Set<Socket>();
  let requests = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    socket.setEncoding("latin1").on("data", (text: unknown) => {
      if (String(text).startsWith("GET /readyz")) {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      } else {
        requests++;
        answer(String(text), socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    name,
    address: { host: "127.0.0.1", port: (server.address() as AddressInfo).port },
    requests: () => requests,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const post = (path: string, headers: Record<string, string> = {}) => ({
  method: "POST",
  path,
  headers,
  body: "{}",
});

test.each([
  ["GET", { path: "/timelines/home" }, 200],
  ["HEAD", { method: "HEAD" }, 200],
  ["a publish", post("/events/a"), 200],
  ["a publish with a key", post("/events", { "idempotency-key": "k" }), 200],
  ["a webhook", post("/hooks/a"), 200],
  ["another POST", post("/timelines/home"), 502],
  ["a cancellation", { method: "DELETE", path: "/events/a" }, 200],
  ["PUT", { method: "PUT", path: "/events/a" }, 502],
])("%s whose gateway breaks under it", async (_name, sent, status) => {
  await using bad = await startGateway("bad", hangUp);
  await using good = await startGateway("good", ok);
  await using front = await startBalancer([bad, good], {
    policy: "round-robin",
    publishPaths: ["/hooks/a"],
    limits: { ejectAfterFailures: 100 },
  });
  const answers = await Promise.all([send(front.port, sent), send(front.port, sent)]);
  expect(bad.seen).toHaveLength(1);
  const worst = Math.max(...answers.map((answer) => answer.status));
  expect(worst).toBe(status);
  if (status === 200) expect(good.seen).toHaveLength(2);
  const ids = bad.seen.map(({ headers }) => headers["millrace-event-id"]);
  const others = good.seen.map(({ headers }) => headers["millrace-event-id"]);
  if (ids[0] !== undefined && status === 200) expect(others).toContain(ids[0]);
});

test("a request of which no byte went out is repeated whatever it is", async () => {
  const gone = await startGateway("gone", ok);
  await gone[Symbol.asyncDispose]();
  await using good = await startGateway("good", ok);
  await using front = await startBalancer([gone, good], { policy: "round-robin" });
  for (let time = 0; time < 4; time++) {
    expect(await send(front.port, { method: "PUT", body: "a" })).toMatchObject({ status: 200 });
  }
});

test("where the result is unknown it says so, and what is safe", async () => {
  await using bad = await startGateway("bad", hangUp);
  await using front = await startBalancer([bad]);
  const { status, body } = await send(front.port, post("/events/a", { "idempotency-key": "k" }));
  expect(status).toBe(503);
  expect(JSON.parse(body)).toMatchObject({
    code: "MR_RESULT_UNKNOWN",
    detail: expect.stringMatching(/result is unknown.*same Idempotency-Key is safe to retry/),
  });
});

test("a request that breaks every gateway it meets does not meet all of them", async () => {
  await using stack = new AsyncDisposableStack();
  const gateways = await Promise.all(
    ["one", "two", "three", "four", "five"].map((name) => startGateway(name, hangUp)),
  );
  for (const gateway of gateways) stack.use(gateway);
  await using front = await startBalancer(gateways);
  expect((await send(front.port, post("/events/a"))).status).toBe(503);
  const met = gateways.filter(({ seen }) => seen.length > 0);
  expect(met).toHaveLength(limits.attemptsSentMax);
});

test("without any gateway nothing was accepted, and it says when to try again", async () => {
  await using front = await startBalancer([]);
  const { status, headers, body } = await send(front.port, post("/events/a"));
  expect({ status, retryAfter: headers["retry-after"] }).toEqual({ status: 503, retryAfter: "1" });
  expect(headers["content-type"]).toBe("application/problem+json");
  expect(JSON.parse(body)).toMatchObject({ code: "MR_GATEWAY_UNAVAILABLE" });
});

test("a gateway that declines because it is shutting down is not blamed; another one answers", async () => {
  await using declining = await startGateway("declining", (_, response) => {
    response.statusCode = 503;
    response.end(JSON.stringify({ status: 503, code: "MR_DRAINING" }));
  });
  await using good = await startGateway("good", ok);
  await using front = await startBalancer([declining, good], { policy: "round-robin" });
  for (let time = 0; time < 6; time++) {
    expect(await send(front.port, post("/timelines/x"))).toMatchObject({ status: 200 });
  }
  expect(declining.seen).toHaveLength(3);
  expect(front.balancer.snapshot().gateways[0]).toMatchObject({ healthy: true, failures: 0 });
});

test("other 503 answers are the client's", async () => {
  await using busy = await startGateway("busy", (_, response) => {
    response.writeHead(503, { "retry-after": "7" }).end('{"code":"MR_QUEUE_BACKLOG"}');
  });
  await using front = await startBalancer([busy]);
  const { status, headers } = await send(front.port, post("/events/a"));
  expect({ status, retryAfter: headers["retry-after"] }).toEqual({ status: 503, retryAfter: "7" });
});

test("a gateway that fails is ejected, left alone, and taken back once its probes are good", async () => {
  let isBroken = true;
  await using bad = await startGateway("bad", (request, response) =>
    isBroken ? hangUp(request, response) : ok(request, response),
  );
  await using good = await startGateway("good", ok);
  await using front = await startBalancer([bad, good], { limits: { ejectionMs: 300 } });
  const snapshot = () => front.balancer.snapshot().gateways[0];
  while (snapshot()?.healthy) expect((await send(front.port)).status).toBe(200);
  expect(snapshot()).toMatchObject({ healthy: false, ejections: 1, failures: 2 });
  const before = bad.seen.length;
  for (let time = 0; time < 20; time++) expect((await send(front.port)).status).toBe(200);
  expect(bad.seen).toHaveLength(before);
  isBroken = false;
  await until(() => snapshot()?.healthy === true);
  await send(front.port);
  await send(front.port);
  expect(bad.seen.length).toBeGreaterThan(before);
});

test("probes alone take a gateway out that is not ready, or silent, and bring it back", async () => {
  await using one = await startGateway("one", ok);
  await using two = await startGateway("two", ok);
  await using front = await startBalancer([one, two], { limits: { probeTimeoutMs: 30 } });
  const isHealthy = () => front.balancer.snapshot().gateways[0]?.healthy;
  expect(isHealthy()).toBe(true);
  one.readiness = 503;
  await until(() => isHealthy() === false);
  for (let time = 0; time < 6; time++) await send(front.port);
  expect([one.seen.length, two.seen.length]).toEqual([0, 6]);
  expect(front.balancer.snapshot().gateways[0]?.ejections).toBe(0);
  one.readiness = 200;
  await until(() => isHealthy() === true);
  const { port } = one.address;
  await one[Symbol.asyncDispose]();
  await until(() => isHealthy() === false);
  expect(front.balancer.snapshot().gateways[0]?.ejections).toBe(1);
  await using _again = await startGateway("one", ok, port);
  await until(() => isHealthy() === true);
});

test("when every gateway seems unfit, one that answers still gets the requests", async () => {
  await using one = await startGateway("one", ok);
  await using two = await startGateway("two", ok);
  one.readiness = 503;
  two.readiness = 503;
  await using front = await startBalancer([one, two]);
  expect(front.balancer.snapshot().gateways).toMatchObject([
    { healthy: false },
    { healthy: false },
  ]);
  for (let time = 0; time < 4; time++) expect((await send(front.port)).status).toBe(200);
  expect([one.seen.length, two.seen.length]).toEqual([2, 2]);
});

test("a drained gateway gets nothing even when no other is left", async () => {
  await using one = await startGateway("one", ok);
  await using front = await startBalancer([one]);
  await front.balancer.drain("one");
  expect((await send(front.port)).status).toBe(503);
  front.balancer.resume("one");
  expect((await send(front.port)).status).toBe(200);
  await expect(front.balancer.drain("none")).rejects.toMatchObject({ code: "MR_USAGE" });
});

test("a drain waits for what is in flight", async () => {
  let finish = () => {};
  await using one = await startGateway("one", (_, response) => {
    finish = () => response.end("late");
  });
  await using front = await startBalancer([one]);
  const answer = send(front.port);
  await until(() => one.seen.length === 1);
  let isDrained = false;
  const drained = front.balancer.drain("one").then(() => {
    isDrained = true;
  });
  await Promise.resolve();
  expect(isDrained).toBe(false);
  finish();
  expect(await answer).toMatchObject({ status: 200, body: "late" });
  await drained;
});

test("a gateway that does not answer in time costs 504, and its connection", async () => {
  await using silent = await startGateway("silent", () => {});
  await using front = await startBalancer([silent], { limits: { gatewayAnswerMs: 50 } });
  const closed = new Promise((resolve) =>
    silent.server.on("connection", (socket) => socket.on("close", resolve)),
  );
  const { status, body } = await send(front.port);
  expect(status).toBe(504);
  expect(JSON.parse(body)).toMatchObject({ code: "MR_GATEWAY_TIMEOUT" });
  await closed;
});

test("a short answer that breaks off comes from elsewhere; a long one breaks the connection", async () => {
  const cut: RequestListener = (request, response) => {
    const length = request.url === "/long" ? limits.answerHeldBytesMax + 1 : 10;
    response.writeHead(200, { "content-length": length });
    response.write("half", () => request.socket.destroy());
  };
  await using bad = await startGateway("bad", cut);
  await using good = await startGateway("good", ok);
  await using front = await startBalancer([bad, good], {
    policy: "round-robin",
    limits: { ejectAfterFailures: 100 },
  });
  for (let time = 0; time < 4; time++) expect((await send(front.port)).body).toBe("ok");
  expect(bad.seen.length).toBeGreaterThan(0);
  const long = await Promise.allSettled([
    send(front.port, { path: "/long" }),
    send(front.port, { path: "/long" }),
  ]);
  expect(long.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

test("a connection closed between two requests costs nothing, not even the gateway's health", async () => {
  const sockets: Socket[] = [];
  await using gateway = await startGateway("one", (request, response) => {
    sockets.push(request.socket);
    response.end("ok");
  });
  await using front = await startBalancer([gateway], { limits: { ejectAfterFailures: 1 } });
  for (let time = 0; time < 5; time++) {
    expect((await send(front.port)).status).toBe(200);
    sockets.at(-1)?.resetAndDestroy();
  }
  expect(front.balancer.snapshot().gateways[0]).toMatchObject({ healthy: true, failures: 0 });
});

test.each([
  ["bytes after the answer", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"],
  ["a goodbye", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"],
])("%s ends the connection, not the answer", async (_name, bytes) => {
  const sockets = new Set<Socket>();
  await using gateway = await startRawGateway("one", (_text, socket) => {
    sockets.add(socket);
    socket.write(bytes);
  });
  await using front = await startBalancer([gateway]);
  for (let time = 0; time < 3; time++) expect((await send(front.port)).body).toBe("ok");
  expect(sockets.size).toBe(3);
});

test("an answer that cannot be read plainly is none", async () => {
  await using gateway = await startRawGateway("one", (_text, socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!");
  });
  await using front = await startBalancer([gateway]);
  const { status, body } = await send(front.port);
  expect(status).toBe(502);
  expect(body).not.toContain("twice");
});

test("an answer before the end of its request goes out, and both connections end", async () => {
  const sockets = new Set<Socket>();
  await using gateway = await startGateway("one", (request, response) => {
    sockets.add(request.socket);
    if (request.method === "POST") response.writeHead(413, { "content-length": 3 }).end("no!");
    else response.end("ok");
  });
  await using front = await startBalancer([gateway], { limits: { bodyBytesMax: 1_000 } });
  const raw = openRaw(front.port);
  raw.socket.write(
    "POST /events/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n" +
      `Content-Length: 100000\r\n\r\n${"a".repeat(2_000)}`,
  );
  await raw.closed;
  expect(raw.text()).toMatch(/^HTTP\/1\.1 413 .*connection: close.*no!$/is);
  expect((await send(front.port)).body).toBe("ok");
  expect(sockets.size).toBe(2);
});

test("a stream whose gateway breaks is not sent twice", async () => {
  await using bad = await startGateway("bad", (request) => {
    request.on("data", () => request.socket.destroy());
  });
  await using good = await startGateway("good", ok);
  await using front = await startBalancer([bad, good], {
    policy: "round-robin",
    limits: { bodyBytesMax: 1_000, ejectAfterFailures: 100 },
  });
  const stream = {
    method: "POST",
    path: "/events/a",
    headers: { "content-type": "application/x-ndjson" },
    body: "a".repeat(5_000),
  };
  const answers = [await send(front.port, stream), await send(front.port, stream)];
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 503]);
  expect(good.seen).toHaveLength(1);
});

test("a client that leaves takes its request with it", async () => {
  await using gateway = await startGateway("one", () => {});
  await using front = await startBalancer([gateway]);
  const raw = openRaw(front.port);
  raw.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await until(() => gateway.seen.length === 1);
  raw.socket.destroy();
  await until(() => gateway.seen[0]?.socket.destroyed === true);
  await until(() => front.balancer.snapshot().gateways[0]?.inFlight === 0);
  expect(front.balancer.snapshot().gateways[0]).toMatchObject({ healthy: true, failures: 0 });
});

test("bodies beyond what may be kept together are streamed on", async () => {
  let body = "";
  await using gateway = await startGateway("one", (request, response) => {
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => response.end("ok"));
  });
  await using front = await startBalancer([gateway], { limits: { replayBytesMax: 10 } });
  const sent = { ...post("/events/a"), body: "a".repeat(1_000) };
  expect((await send(front.port, sent)).status).toBe(200);
  expect(body).toBe(sent.body);
});

test("who waits for a gateway that has fallen silent gets the answer of another", async () => {
  const held: (() => void)[] = [];
  await using silent = await startGateway("silent", (_request, response) => {
    held.push(() => response.end("late"));
    silent.server.removeAllListeners("request");
  });
  await using good = await startGateway("good", ok);
  await using front = await startBalancer([silent, good], {
    policy: "round-robin",
    limits: { probeTimeoutMs: 50 },
  });
  const answers = await Promise.all([send(front.port), send(front.port), send(front.port)]);
  expect(answers.map(({ body }) => body)).toEqual(["ok", "ok", "ok"]);
  expect(silent.seen).not.toHaveLength(0);
});
