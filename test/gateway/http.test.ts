/**
 * The gateway as an HTTP server: it refuses what Node's parser lets through, keeps its limits, says
 * when it is leaving and finishes what runs, and listens where it is told to. Raw sockets.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it, onTestFinished, vi } from "vitest";
import { limits } from "../../src/lib/limits.ts";
import { type HandClock, handClock } from "../support/hand-clock.ts";
import { refusalRows } from "../support/http-refusal-rows.ts";
import { ada, json, sendRaw, startGateway } from "./support.ts";

const path = "/events/post.published";

it.each(refusalRows)("$name", async ({ raw, code }) => {
  const { port, stored } = await startGateway();
  const answer = await sendRaw(port, raw);
  // Of the rows that pass, some publish an event of a type that this system does not have.
  if (code === undefined) expect(answer).toMatch(/^HTTP\/1.1 (200|404) /);
  else {
    if (!raw.startsWith("HEAD")) expect(answer).toContain(`"code":"${code}"`);
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(answer.match(/HTTP\/1\.1 \d/g), "nothing after a refusal").toHaveLength(1);
  }
  expect(await stored()).toEqual([]);
});

it("does nothing with what was pipelined behind a refused request", async () => {
  const { port, stored } = await startGateway();
  const body = JSON.stringify(ada);
  const good =
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`;
  const answer = await sendRaw(
    port,
    `GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n${good}`,
  );
  expect(answer).toContain("MR_HEADER_INVALID");
  expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
  expect(await stored()).toEqual([]);
});

it("tells what Node's parser refuses in the same form", async () => {
  const { port } = await startGateway();
  const answer = await sendRaw(
    port,
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
  );
  expect(answer).toMatch(/^HTTP\/1.1 400 /);
  expect(answer).toContain('"code":"MR_HTTP_REFUSED"');
  const big = `GET / HTTP/1.1\r\nHost: localhost\r\nx: ${"x".repeat(limits.headerBytesMax)}\r\n\r\n`;
  expect(await sendRaw(port, big)).toContain('"code":"MR_HEADERS_TOO_LARGE"');
});

it.each(["application/json", "application/cloudevents+json", "application/x-ndjson"])(
  "does not wait for a body of %s that was never announced",
  async (type) => {
    const { port, stored } = await startGateway();
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n`;
    const answer = await sendRaw(port, `${head}Content-Type: ${type}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 (202|4\d\d) /);
    expect(answer).not.toContain("MR_BODY_TIMEOUT");
    expect(await stored()).toEqual([]);
  },
);

it("gives up on a body that does not come", async () => {
  const clock = handClock();
  const { port, stored } = await startGateway({ clock });
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
  const answer = sendRaw(port, `${head}Content-Length: 100\r\n\r\n{`);
  // The hand goes on turning: first the body's time is up, then that of throwing the rest away.
  await turnUntil(clock, answer);
  expect(await answer).toContain('"code":"MR_BODY_TIMEOUT"');
  expect(await stored()).toEqual([]);
});

it("gives up on a body that comes drop by drop", async () => {
  const clock = handClock();
  const { port } = await startGateway({ clock });
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  let answer = "";
  socket.on("data", (piece) => {
    answer += piece;
  });
  // Whoever still sends when the connection ends is reset.
  const closed = new Promise((resolve) => socket.on("error", () => {}).on("close", resolve));
  const type = "Content-Type: application/x-ndjson";
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${type}\r\nContent-Length: 100000\r\n\r\n`,
  );
  await turnUntil(clock, closed, () => socket.writable && socket.write("\n"));
  expect(answer).toContain('"code":"MR_BODY_TIMEOUT"');
});

/** Lets seconds pass until a promise is settled. */
async function turnUntil(
  clock: HandClock,
  settled: Promise<unknown>,
  each: () => unknown = () => {},
) {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  settled.then(settle, settle);
  await vi.waitFor(
    () => {
      each();
      clock.advance(1_000);
      expect(isSettled).toBe(true);
    },
    { timeout: 20_000, interval: 10 },
  );
}

it("is ready until it is told to stop, then finishes what runs", async () => {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const clock = handClock();
  const started = await startGateway({ drainDelayMs: 60_000, clock });
  const { gateway, fetch, timelines, url } = started;
  expect(await (await fetch("/readyz")).json()).toEqual({ status: "pass" });
  timelines.answer = async () => {
    await held;
    return "[]";
  };
  const running = fetch("/timelines/home?user=a");
  await vi.waitFor(() => expect(timelines.asked).toHaveLength(1));
  const stopping = gateway.stop();
  const draining = await fetch("/readyz");
  expect([draining.status, await draining.json()]).toEqual([503, { status: "fail" }]);
  expect((await fetch("/livez")).status).toBe(200);
  expect((await fetch(path, json(ada))).status, "it serves on until balancers look away").toBe(202);
  clock.advance(60_000);
  await vi.waitFor(async () => {
    await expect(globalThis.fetch(`${url}/livez`)).rejects.toThrow();
  });
  letGo();
  expect((await running).status).toBe(200);
  await stopping;
  await gateway.stop();
});

it("stops although a request never ends", async () => {
  const hand = handClock();
  const { gateway, fetch, timelines } = await startGateway({ clock: hand });
  timelines.answer = () => new Promise(() => {});
  const running = fetch("/timelines/home?user=a").catch((error: Error) => error);
  await vi.waitFor(() => expect(timelines.asked).toHaveLength(1));
  const stopping = gateway.stop();
  hand.advance(limits.drainMs);
  await stopping;
  expect(await running).toBeInstanceOf(Error);
});

it("warns, but stays ready, while the queue is down", async () => {
  const queue = {
    partitions: 16,
    find: async () => [],
    health: async () => {
      throw new Error("gone");
    },
  };
  const { fetch } = await startGateway({ queue });
  const response = await fetch("/readyz");
  expect([response.status, await response.json()]).toEqual([200, { status: "warn" }]);
  expect(response.headers.get("content-type")).toBe("application/health+json");
});

async function socketFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "millrace-gateway-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, "gateway.sock");
}

it("listens on a Unix socket of its user, also where a killed process left one behind", async () => {
  const socketPath = await socketFile();
  // What a killed process leaves: a socket file without anybody behind it.
  const { spawnSync } = await import("node:child_process");
  const script = `require("node:net").createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  expect((await stat(socketPath)).isSocket()).toBe(true);
  await startGateway({ listen: { socketPath } });
  expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  const answer = await new Promise<string>((resolve, reject) => {
    const sending = request({ socketPath, path: "/livez" }, (response) => resolve(text(response)));
    sending.on("error", reject).end();
  });
  expect(JSON.parse(answer)).toEqual({ status: "pass" });
});

it("does not take a socket or a port from somebody else", async () => {
  const socketPath = await socketFile();
  await startGateway({ listen: { socketPath } });
  await expect(startGateway({ listen: { socketPath } })).rejects.toMatchObject({
    code: "MR_PORT_TAKEN",
  });
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await vi.waitFor(() => expect(other.address()).not.toBeNull());
  const { port } = other.address() as { port: number };
  await expect(startGateway({ listen: { host: "127.0.0.1", port } })).rejects.toMatchObject({
    code: "MR_PORT_TAKEN",
  });
});

it("bounds the connections of one address", async () => {
  const { port } = await startGateway();
  const sockets = Array.from({ length: limits.connectionsPerAddressMax + 5 }, () =>
    connect(port, "127.0.0.1")
      .on("error", () => {})
      .resume(),
  );
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const closed = () => sockets.filter((socket) => socket.closed).length;
  await vi.waitFor(() => expect(closed()).toBe(5), { timeout: 20_000 });
});
