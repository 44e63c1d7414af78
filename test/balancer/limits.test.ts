/**
 * Proves that no client holds anything for longer than its limit: every limit is set short, and the
 * test waits for what has to happen then.
 */
import { afterEach, describe, expect, test } from "vitest";
import { networkOf } from "../../src/balancer/inbound.ts";
import type { BalancerLimits } from "../../src/balancer/limits.ts";
import {
  exchangeRaw,
  openRaw,
  send,
  startBalancer,
  startGateway,
  type TestGateway,
  until,
} from "./support.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

async function start(
  limits: Partial<BalancerLimits>,
): Promise<{ port: number; gateway: TestGateway }> {
  const gateway = stack.use(
    await startGateway("one", (request, response) => {
      request.resume().on("end", () => response.end("ok"));
    }),
  );
  const { port } = stack.use(await startBalancer([gateway], { limits }));
  return { port, gateway };
}

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ndjson = "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n";

describe("slow clients", () => {
  test.each<[string, string, Partial<BalancerLimits>]>([
    ["nothing at all", "", { headersTimeoutMs: 50 }],
    ["headers that do not end", "GET / HTTP/1.1\r\nHost: a\r\nx: ", { headersTimeoutMs: 50 }],
    [
      "a body that stops",
      "POST /events/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
      { bodyIdleMs: 50 },
    ],
    [
      "a body in chunks that stops",
      "POST /events/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
      { bodyIdleMs: 50 },
    ],
    [
      "a stream that stops",
      `POST /events/a HTTP/1.1\r\nHost: a\r\n${ndjson}\r\n8\r\naaaaaaaa\r\n`,
      { bodyIdleMs: 50, bodyBytesMax: 4 },
    ],
  ])("%s: 408, and the connection ends", async (_name, bytes, limits) => {
    const { port } = await start(limits);
    const answer = await exchangeRaw(port, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*connection: close.*MR_BODY_TIMEOUT/is);
  });

  test.each<[string, Partial<BalancerLimits>]>([
    ["slower than the minimum rate", { bodyIdleMs: 60, bodyBytesPerIdleMin: 10_000 }],
    ["longer than a request may take", { requestTimeoutMs: 100, bodyBytesPerIdleMin: 0 }],
  ])("a body that trickles, %s", async (_name, limits) => {
    const { port } = await start(limits);
    const raw = openRaw(port);
    raw.socket.write("POST /events/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    const trickle = setInterval(() => raw.socket.write("a"), 5);
    await raw.closed;
    clearInterval(trickle);
    expect(raw.text()).toMatch(/^HTTP\/1\.1 408 /);
  });

  test("an idle connection ends after its time", async () => {
    const { port } = await start({ keepAliveMs: 50 });
    const raw = openRaw(port);
    raw.socket.write(get);
    await raw.closed;
    expect(raw.text()).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("a client that does not take its answer ends with it", async () => {
    const gateway = stack.use(
      await startGateway("one", (_, response) => {
        response.end(Buffer.alloc(64 * 1_048_576));
      }),
    );
    const front = stack.use(await startBalancer([gateway], { limits: { answerTakenMs: 50 } }));
    const raw = openRaw(front.port);
    raw.socket.pause();
    raw.socket.write(get);
    await until(() => gateway.seen.length === 1);
    await until(() => front.balancer.snapshot().gateways[0]?.inFlight === 0);
    expect(front.balancer.snapshot().gateways[0]).toMatchObject({ healthy: true, failures: 0 });
    raw.socket.destroy();
  });

  test("a gateway silent within an answer ends it", async () => {
    const gateway = stack.use(
      await startGateway("one", (_, response) => void response.write("a piece")),
    );
    const front = stack.use(await startBalancer([gateway], { limits: { answerSilenceMs: 50 } }));
    await expect(send(front.port)).rejects.toThrow();
  });

  test("good clients are served while slow ones wait for their end", async () => {
    const { port } = await start({ bodyIdleMs: 10_000 });
    const slow = Array.from({ length: 50 }, () => {
      const raw = openRaw(port);
      raw.socket.write("POST /events/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na");
      return raw;
    });
    for (let time = 0; time < 20; time++) expect((await send(port)).status).toBe(200);
    for (const raw of slow) raw.socket.destroy();
  });
});

describe("too many", () => {
  test("connections of one address", async () => {
    const { port } = await start({ connectionsPerAddressMax: 3 });
    const kept = [openRaw(port), openRaw(port), openRaw(port)];
    for (const raw of kept) {
      raw.socket.write(get);
      await until(() => raw.text().endsWith("ok"));
    }
    expect(await exchangeRaw(port, get)).toBe("");
    kept[0]?.socket.destroy();
    await until(async () => (await send(port).catch(() => undefined))?.status === 200);
    for (const raw of kept) raw.socket.destroy();
  });

  test("connections altogether", async () => {
    const { port } = await start({ connectionsMax: 1 });
    const kept = openRaw(port);
    kept.socket.write(get);
    await until(() => kept.text().endsWith("ok"));
    expect(await exchangeRaw(port, get)).toBe("");
    kept.socket.destroy();
  });

  test("requests on one connection", async () => {
    const { port } = await start({ requestsPerConnectionMax: 2 });
    const raw = openRaw(port);
    raw.socket.write(get);
    await until(() => raw.text().endsWith("ok"));
    raw.socket.write(get);
    await raw.closed;
    expect(raw.text().match(/connection: close/gi)).toHaveLength(1);
  });

  test("requests sent ahead on one connection", async () => {
    const gateway = stack.use(await startGateway("one", () => {}));
    const front = stack.use(await startBalancer([gateway]));
    const raw = openRaw(front.port);
    raw.socket.write(get.repeat(1_000));
    await raw.closed;
    expect(gateway.seen.length).toBeLessThanOrEqual(1);
  });

  test("requests in flight at every gateway", async () => {
    const finish: (() => void)[] = [];
    const gateway = stack.use(
      await startGateway("one", (_, response) => finish.push(() => response.end("ok"))),
    );
    const front = stack.use(
      await startBalancer([gateway], { limits: { gatewayConnectionsMax: 1 } }),
    );
    const first = send(front.port);
    await until(() => finish.length === 1);
    expect((await send(front.port)).status).toBe(503);
    finish[0]?.();
    expect((await first).status).toBe(200);
  });

  test("connections of an IPv6 network count as one address", () => {
    expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2");
    expect(networkOf("2001:db8:1:2::9")).toBe("2001:db8:1:2");
    expect(networkOf("2001:db8::9")).toBe("2001:db8:0:0");
    expect(networkOf("::1")).toBe("0:0:0:0");
    expect(networkOf("::ffff:10.0.0.1")).toBe("::ffff:10.0.0.1");
    expect(networkOf("10.0.0.1")).toBe("10.0.0.1");
  });
});
