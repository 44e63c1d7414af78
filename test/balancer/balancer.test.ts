/**
 * Proves that requests are spread evenly, that answers of every shape pass through unchanged and at
 * once, and that a lifecycle is kept: against real gateways on real sockets.
 */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createBalancer } from "../../src/balancer/balancer.ts";
import { createPicker, type Policy } from "../../src/balancer/picker.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import { noTracing } from "../../src/tracing/no-tracing.ts";
import { openRaw, send, startBalancer, startGateway, until, untilStill } from "./support.ts";

const ok: RequestListener = (_request, response) => response.end("ok");

describe("spreading", () => {
  test.each<Policy>(["least-busy", "round-robin"])(
    "%s is even to within 5 %%",
    async (policy) => {
      await using one = await startGateway("one", ok);
      await using two = await startGateway("two", ok);
      await using three = await startGateway("three", ok);
      await using front = await startBalancer([one, two, three], { policy });
      const total = 10_000;
      let left = total;
      const client = async () => {
        const raw = openRaw(front.port);
        while (left > 0) {
          left--;
          const before = raw.text().length;
          raw.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
          await new Promise((resolve) => raw.socket.once("data", resolve));
          expect(raw.text().slice(before)).toMatch(/^HTTP\/1\.1 200 /);
        }
        raw.socket.destroy();
      };
      await Promise.all(Array.from({ length: 20 }, client));
      const counts = [one, two, three].map((gateway) => gateway.seen.length);
      for (const count of counts)
        expect(Math.abs(count - total / 3)).toBeLessThan((total / 3) * 0.05);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(total);
      expect(front.balancer.snapshot().gateways.map(({ requests }) => requests)).toEqual(counts);
    },
    60_000,
  );

  test("least-busy leaves a busy gateway alone; round-robin does not look", () => {
    const busy = { inFlight: 5 };
    const free = { inFlight: 1 };
    const leastBusy = createPicker("least-busy");
    const roundRobin = createPicker("round-robin");
    const picks = Array.from({ length: 4 }, () => leastBusy([busy, free]));
    expect(picks).toEqual([free, free, free, free]);
    expect(new Set([roundRobin([busy, free]), roundRobin([busy, free])])).toEqual(
      new Set([busy, free]),
    );
    expect(leastBusy([])).toBeUndefined();
  });
});

describe("answers", () => {
  test.each<[string, RequestListener, Record<string, unknown>]>([
    ["with a length", (_, res) => res.setHeader("content-length", 2).end("ab"), { body: "ab" }],
    [
      "in chunks",
      (_, res) => {
        res.write("a");
        setImmediate(() => res.end("b"));
      },
      { body: "ab" },
    ],
    ["without content", (_, res) => res.writeHead(204).end(), { status: 204, body: "" }],
    ["not modified", (_, res) => res.writeHead(304, { etag: '"1"' }).end(), { status: 304 }],
    ["of an error", (_, res) => res.writeHead(500).end("no"), { status: 500, body: "no" }],
    [
      "after interim answers",
      (_, res) => {
        res.writeProcessing();
        res.writeEarlyHints({ link: "</a>; rel=preload" });
        res.end("ab");
      },
      { status: 200, body: "ab" },
    ],
  ])("%s pass through", async (_name, handle, expected) => {
    await using gateway = await startGateway("one", handle);
    await using front = await startBalancer([gateway]);
    for (let time = 0; time < 3; time++) expect(await send(front.port)).toMatchObject(expected);
  });

  test("to HEAD have the length of what they do not carry, and the connection stays", async () => {
    await using gateway = await startGateway("one", (_, res) => {
      res.setHeader("content-length", 5).end();
    });
    await using front = await startBalancer([gateway]);
    const raw = openRaw(front.port);
    const head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    raw.socket.write(head + head);
    await until(() => raw.text().split("200 OK").length === 3);
    expect(raw.text().toLowerCase().split("content-length: 5")).toHaveLength(3);
    expect(raw.isClosed()).toBe(false);
    raw.socket.destroy();
  });

  test("that are streams flow at once, piece by piece", async () => {
    let next: (piece: string) => void = () => {};
    await using gateway = await startGateway("one", (_, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      next = (piece) => res.write(piece);
    });
    await using front = await startBalancer([gateway]);
    const raw = openRaw(front.port);
    raw.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => raw.text().includes("text/event-stream"));
    for (const piece of ["data: 1\n\n", "data: 2\n\n"]) {
      expect(raw.text()).not.toContain(piece);
      next(piece);
      await until(() => raw.text().includes(piece));
    }
    raw.socket.destroy();
    await until(() => front.balancer.snapshot().gateways[0]?.inFlight === 0);
  });

  test("that are large come whole, and a client that does not read holds the gateway back", async () => {
    const size = 64 * 1_048_576;
    let written = 0;
    let isFinished = false;
    await using gateway = await startGateway("one", (_, res) => {
      res.setHeader("content-length", size);
      const piece = Buffer.alloc(65_536, 97);
      const pump = () => {
        while (written < size) {
          written += piece.length;
          if (!res.write(piece)) return void res.once("drain", pump);
        }
        res.end(() => {
          isFinished = true;
        });
      };
      pump();
    });
    await using front = await startBalancer([gateway]);
    const raw = openRaw(front.port);
    raw.socket.pause();
    raw.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await untilStill(() => written);
    expect(written).toBeLessThan(size / 2);
    raw.socket.resume();
    await until(() => isFinished && raw.text().length > size);
    expect(raw.text().slice(raw.text().indexOf("\r\n\r\n") + 4)).toHaveLength(size);
    raw.socket.destroy();
  });

  test("of requests sent ahead come in order, one request at a time", async () => {
    const finish: (() => void)[] = [];
    await using gateway = await startGateway("one", (req, res) => {
      finish.push(() => res.end(req.url));
    });
    await using front = await startBalancer([gateway]);
    const raw = openRaw(front.port);
    raw.socket.write(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" +
        "POST /events/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" +
        "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    for (let count = 1; count <= 3; count++) {
      await until(() => finish.length === count);
      expect(gateway.seen).toHaveLength(count);
      finish.at(-1)?.();
    }
    await until(() => raw.text().endsWith("/3"));
    expect(raw.text()).toMatch(/\/1HTTP.*\/events\/aHTTP.*\/3$/s);
    raw.socket.destroy();
  });
});

describe("bodies", () => {
  test.each([
    ["with a length", "Content-Length: 5\r\n\r\nhello"],
    [
      "in chunks",
      "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nx-a: b\r\n\r\n",
    ],
    ["after 100 Continue", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"],
  ])("%s go on with a length of our own", async (_name, rest) => {
    await using gateway = await startGateway("one", (req, res) => {
      let body = "";
      req.on("data", (chunk) => {
        body += chunk;
      });
      req.on("end", () =>
        res.end(JSON.stringify({ body, ...req.headers, trailers: req.trailers })),
      );
    });
    await using front = await startBalancer([gateway]);
    const raw = openRaw(front.port);
    raw.socket.write(`POST /events/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${rest}`);
    await raw.closed;
    const seen = JSON.parse(raw.text().slice(raw.text().lastIndexOf("\r\n\r\n")));
    expect(seen).toMatchObject({ body: "hello", "content-length": "5", trailers: {} });
    expect(seen).not.toHaveProperty("transfer-encoding");
    expect(seen).not.toHaveProperty("expect");
  });

  test("longer than allowed are refused before they are read, counted or announced", async () => {
    await using gateway = await startGateway("one", ok);
    await using front = await startBalancer([gateway], { limits: { bodyBytesMax: 1_000 } });
    const announced = await send(front.port, {
      method: "POST",
      path: "/events/a",
      headers: { "content-length": "1001", expect: "100-continue" },
    });
    expect(announced).toMatchObject({ status: 413 });
    const counted = await send(front.port, {
      method: "POST",
      path: "/events/a",
      headers: { "transfer-encoding": "chunked" },
      body: "a".repeat(1_001),
    });
    expect(JSON.parse(counted.body)).toMatchObject({ code: "MR_BODY_TOO_LARGE", status: 413 });
    expect(gateway.seen).toHaveLength(0);
  });

  test.each(["with its length known", "in chunks"])(
    "of a stream %s flow on, and a gateway that does not read holds the client back",
    async (how) => {
      let bytes = 0;
      let resume = () => {};
      await using gateway = await startGateway("one", (req, res) => {
        resume = () => {
          req.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
          });
          req.on("end", () => res.end("done"));
        };
      });
      await using front = await startBalancer([gateway]);
      const size = 64 * 1_048_576;
      const raw = openRaw(front.port);
      const framing =
        how === "in chunks" ? "transfer-encoding: chunked" : `content-length: ${size}`;
      raw.socket.write(
        `POST /events/a HTTP/1.1\r\nHost: a\r\ncontent-type: application/x-ndjson\r\n${framing}\r\n\r\n`,
      );
      const piece = Buffer.alloc(65_536, 97);
      const framed = `10000\r\n${piece}\r\n`;
      let written = 0;
      const pump = () => {
        while (written < size) {
          written += piece.length;
          if (!raw.socket.write(how === "in chunks" ? framed : piece)) {
            return void raw.socket.once("drain", pump);
          }
        }
        if (how === "in chunks") raw.socket.write("0\r\n\r\n");
      };
      pump();
      await until(() => gateway.seen.length === 1);
      await untilStill(() => written);
      expect(written).toBeLessThan(size / 2);
      resume();
      await until(() => raw.text().endsWith("done"));
      expect(bytes).toBe(size);
      raw.socket.destroy();
    },
  );
});

describe("lifecycle", () => {
  test("stop answers what is in flight, ends idle connections, and takes nothing new", async () => {
    let finish = () => {};
    await using gateway = await startGateway("one", (_, res) => {
      finish = () => res.end("late");
    });
    await using front = await startBalancer([gateway]);
    const idle = openRaw(front.port);
    const busy = openRaw(front.port);
    busy.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => gateway.seen.length === 1);
    const stopped = Promise.all([front.balancer.stop(), front.balancer.stop()]);
    await expect(send(front.port)).rejects.toThrow();
    finish();
    await stopped;
    await Promise.all([idle.closed, busy.closed]);
    expect(busy.text()).toMatch(/connection: close/i);
    expect(busy.text()).toMatch(/late$/);
  });

  test("stop gives up on what does not end in time, and works before start", async () => {
    await using gateway = await startGateway("one", () => {});
    await using front = await startBalancer([gateway], { limits: { drainMs: 20 } });
    const stuck = openRaw(front.port);
    stuck.socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(() => gateway.seen.length === 1);
    await front.balancer.stop();
    await stuck.closed;
    const never = createBalancer({
      listen: { host: "127.0.0.1", port: 0 },
      gateways: [],
      tracing: noTracing,
    });
    await never.stop();
  });

  describe("a port that is taken", () => {
    const holder = createServer();
    afterEach(() => new Promise((resolve) => holder.close(resolve)));

    test("is named with its holder and with what to do", async () => {
      await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
      const { port } = holder.address() as AddressInfo;
      const listen = { host: "127.0.0.1", port };
      const balancer = createBalancer({ listen, gateways: [], tracing: noTracing });
      const error = await balancer.start().catch((thrown: unknown) => thrown);
      await balancer.stop();
      expect(isMillraceError(error, "MR_PORT_TAKEN") && error.message).toContain(`:${port}`);
      expect(isMillraceError(error) && error.remedy).toContain("MILLRACE_PORT");
      if (process.platform === "linux") {
        expect(isMillraceError(error) && error.message).toContain(`process ${process.pid}`);
      }
    });
  });
});
