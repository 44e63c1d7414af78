/**
 * The servers that a drill starts for itself: they answer, come back after a kill with the same
 * address, stand still and go on, and end with the drill; a stretch of network can be cut and
 * mended. And drills of the engines on them keep every promise.
 */
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it, vi } from "vitest";
import type { DrillReport } from "../../src/drill/report.ts";
import { Route } from "../../src/drill/servers/route.ts";
import { ServerProcess } from "../../src/drill/servers/server-process.ts";
import { serverFaults } from "../../src/drill/targets.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { run } from "../cli/command-line.ts";
import { freePort } from "../support/free-port.ts";

const root = resolve(import.meta.dirname, "../..");

/** A server that says its process number to whoever comes. */
const program = `
require("node:net").createServer((socket) => socket.end(String(process.pid)))
  .listen(Number(process.argv[1]), "127.0.0.1");`;

async function said(port: number): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk) => {
    text += chunk;
  });
  await once(socket, "close");
  return text;
}

it("begins a killed server again, and ends it", async () => {
  const port = await freePort();
  const isReady = () =>
    said(port).then(
      (text) => text !== "",
      () => false,
    );
  await using server = new ServerProcess({
    name: "server",
    program: process.execPath,
    parameters: ["-e", program, String(port)],
    isReady,
    clock: systemClock,
    onOutput: () => {},
  });
  await server.start();
  const first = await said(port);
  await server.kill();
  expect(server.isRunning).toBe(false);
  expect(await isReady()).toBe(false);
  await server.start();
  expect(await said(port)).not.toBe(first);
  await server.pause();
  await server.resume();
  expect(await said(port)).not.toBe("");
  await server.kill();
  expect(await isReady()).toBe(false);
});

it("cuts a route, and what passes it, until it is mended", async () => {
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(echo, "listening");
  const address = echo.address();
  await using route = await Route.open(typeof address === "object" ? (address?.port ?? 0) : 0);
  const open = async (): Promise<Socket> => {
    const socket = connect(route.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    return socket;
  };
  const passes = async (socket: Socket) => {
    socket.write("hello");
    return await Promise.race([
      once(socket, "data").then(([chunk]) => String(chunk)),
      once(socket, "close").then(() => "closed"),
    ]);
  };
  const before = await open();
  expect(await passes(before)).toBe("hello");
  route.cut();
  await vi.waitFor(() => expect(before.closed).toBe(true));
  expect(await passes(await open())).toBe("closed");
  route.mend();
  const after = await open();
  expect(await passes(after)).toBe("hello");
  after.destroy();
  echo.close();
});

const postgres = ["/usr/lib/postgresql", "/usr/bin/initdb", "/usr/local/bin/initdb"];
const programs = {
  nats: [".servers/nats/usr/sbin/nats-server", "/usr/sbin/nats-server", "/usr/bin/nats-server"],
  postgres,
  "postgres-queue": postgres,
  redis: ["/usr/bin/redis-server", "/usr/local/bin/redis-server"],
};

for (const [engine, { target, faults }] of Object.entries(serverFaults)) {
  const isPart = existsSync(join(root, "src/engines", engine.replace(/-queue$/, "")));
  const isHere = programs[engine as keyof typeof programs].some((file) =>
    existsSync(resolve(root, file)),
  );
  // Under CI a missing server is a failure: what was never tried is not proven.
  const canRun = isPart && (isHere || process.env.CI === "true");
  it.skipIf(!canRun)(
    `drills the ${target} on ${engine} (skipped without the engine, or its server)`,
    { timeout: 400_000 },
    async () => {
      const report = await mkdtemp(join(tmpdir(), "drill-"));
      const load = ["--seconds", "1", "--rate", "40", "--hold", "2", "--patience", "120"];
      const where = ["--engine", engine, "--report", report, "--json"];
      const ended = await run(["drill", target, ...load, ...where], { cwd: root });
      await rm(report, { recursive: true });
      expect(ended.stderr).not.toMatch(/MR_/);
      const { verdict, red, faults: struck }: DrillReport = JSON.parse(ended.stdout);
      expect({ verdict, red, code: ended.code }).toEqual({ verdict: "kept", red: [], code: 0 });
      const names = struck.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(Object.keys(faults)));
    },
  );
}
