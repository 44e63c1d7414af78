/**
 * A worker is the same over HTTP as in one process: queries, standings, progress and errors pass
 * through unchanged. An instance that is gone, or owes its answer in silence, is passed by and
 * left alone until it says that it is back; one on a network answers only who has the secret.
 */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { peerToken } from "../../src/lib/http/peer-token.ts";
import { limits } from "../../src/lib/limits.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createHttpWorkerLink } from "../../src/worker/http-link.ts";
import type { Place, ScheduledId, Standing, WorkerLink } from "../../src/worker/link.ts";
import { createWorkerServer } from "../../src/worker/server.ts";
import { freePort } from "../support/free-port.ts";
import { handClock } from "../support/hand-clock.ts";

/** Tells back what it was asked, so that a test sees what came through. */
class EchoLink implements WorkerLink {
  readonly name = "echo";
  async query(name: string, search: string, after: readonly Place[]): Promise<string> {
    if (name === "broken") {
      throw new MillraceError("MR_INPUT_INVALID", "The input does not fit.", {
        faults: [{ detail: "expected a string", pointer: "#/user" }],
        remedy: "Look again.",
      });
    }
    return JSON.stringify({ name, search, after });
  }
  async standing(place: Place, waitMs: number): Promise<Standing> {
    return { state: "dead", attempts: waitMs, error: `${place.partition}:${place.position}` };
  }
  async cancel({ id, source }: ScheduledId, place?: Place): Promise<boolean> {
    return id === "a b" && source === "/s?" && place?.partition === 7 && place.position === 9;
  }
  async progress() {
    return { positions: { "3": 7 }, instances: [], parkedEvents: 1, deadLetters: 2 };
  }
}

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "mr-link-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const serve = (name: string, isReady = () => true) =>
  createWorkerServer({
    link: new EchoLink(),
    listen: { socketPath: join(folder, `${name}.sock`) },
    log: silentLog,
    isReady,
  });

it("carries queries, standings, progress and errors unchanged", async () => {
  await using server = serve("one");
  await server.start();
  const link = createHttpWorkerLink("echo", [{ socketPath: join(folder, "one.sock") }]);
  const after = [
    { partition: 7, position: 1 },
    { partition: 3, position: 22 },
  ];
  expect(JSON.parse(await link.query("home", "user=a%26b&n=1", after))).toEqual({
    name: "home",
    search: "user=a%26b&n=1",
    after,
  });
  expect(await link.standing({ partition: 1, position: 2 }, 30)).toEqual({
    state: "dead",
    attempts: 30,
    error: "1:2",
  });
  expect(await link.progress()).toEqual(await new EchoLink().progress());
  const scheduled = { id: "a b", source: "/s?" };
  expect(await link.cancel(scheduled, { partition: 7, position: 9 })).toBe(true);
  expect(await link.cancel({ id: "a b" })).toBe(false);
  await expect(link.query("broken", "", [])).rejects.toMatchObject({
    code: "MR_INPUT_INVALID",
    message: "The input does not fit.",
    remedy: "Look again.",
    faults: [{ detail: "expected a string", pointer: "#/user" }],
  });
  await link.close();
});

it("passes by an instance that is gone, and says so when all are", async () => {
  await using two = serve("two");
  await two.start();
  const link = createHttpWorkerLink("echo", [
    { socketPath: join(folder, "gone.sock") },
    { socketPath: join(folder, "two.sock") },
  ]);
  for (let asked = 0; asked < 4; asked++) {
    expect(await link.progress()).toMatchObject({ deadLetters: 2 });
  }
  await two.stop();
  await expect(link.progress()).rejects.toMatchObject({
    code: "MR_WORKER_UNAVAILABLE",
    retryAfterSeconds: 1,
  });
  await link.close();
});

it("leaves a broken instance alone, and finds out by itself that it is back", async () => {
  const link = createHttpWorkerLink("echo", [{ socketPath: join(folder, "late.sock") }]);
  for (let asked = 0; asked < limits.linkFailuresMax; asked++) {
    await expect(link.progress()).rejects.toMatchObject({ cause: { code: "ENOENT" } });
  }
  // From then on it is not even tried: there is no cause to tell.
  await expect(link.progress()).rejects.toMatchObject({
    code: "MR_WORKER_UNAVAILABLE",
    retryAfterSeconds: 1,
    cause: undefined,
  });
  await using late = serve("late");
  await late.start();
  await vi.waitFor(() => link.progress(), { timeout: 10_000, interval: 50 });
  await link.close();
});

it("asks another instance what a silent one owes", async () => {
  const held: Socket[] = [];
  const silent = createServer((socket) => held.push(socket));
  silent.listen(join(folder, "silent.sock"));
  await once(silent, "listening");
  await using two = serve("two");
  await two.start();
  const addresses = ["silent", "two"].map((name) => ({ socketPath: join(folder, `${name}.sock`) }));
  const link = createHttpWorkerLink("echo", addresses);
  // Each instance has its turn, so one of these two begins at the silent one.
  const answers = await Promise.all([link.progress(), link.progress()]);
  expect(answers).toMatchObject([{ deadLetters: 2 }, { deadLetters: 2 }]);
  const before = held.length;
  for (let asked = 0; asked < 4; asked++) await link.progress();
  // But for its health, nothing is asked of it any more.
  expect(held.length - before).toBeLessThanOrEqual(1);
  await link.close();
  for (const socket of held) socket.destroy();
  silent.close();
});

it("answers only who has the secret where others can connect", async () => {
  const listen = { host: "127.0.0.1", port: await freePort() };
  const token = peerToken("0123456789abcdef0123456789abcdef", "worker");
  const parts = { link: new EchoLink(), listen, token, log: silentLog, isReady: () => true };
  await using server = createWorkerServer(parts);
  await server.start();
  const link = createHttpWorkerLink("echo", [listen], { token });
  expect(await link.progress()).toMatchObject({ deadLetters: 2 });
  const stranger = createHttpWorkerLink("echo", [listen], { token: "A".repeat(43) });
  await expect(stranger.progress()).rejects.toMatchObject({
    code: "MR_WORKER_UNAVAILABLE",
    cause: { code: "MR_PEER_UNKNOWN" },
  });
  await Promise.all([link.close(), stranger.close()]);
});

it("goes with the instances behind a name as they come and go", async () => {
  const port = await freePort();
  const at = (host: string) => {
    const parts = { link: new EchoLink(), listen: { host, port }, log: silentLog };
    return createWorkerServer({ ...parts, isReady: () => true });
  };
  const clock = handClock();
  let behind = ["127.0.0.1"];
  const resolve = async () => behind;
  const link = createHttpWorkerLink("echo", [{ host: "workers", port }], { clock, resolve });
  {
    await using one = at("127.0.0.1");
    await one.start();
    expect(await link.progress()).toMatchObject({ deadLetters: 2 });
  }
  await using other = at("127.0.0.2");
  await other.start();
  behind = ["127.0.0.2"];
  clock.advance(limits.resolveIntervalMs);
  await vi.waitFor(() => link.progress());
  await link.close();
});
