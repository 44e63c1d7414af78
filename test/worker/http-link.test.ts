/**
 * A worker is the same over HTTP as in one process: queries, standings, progress and errors pass
 * through unchanged; an instance that is gone is passed by.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createHttpWorkerLink } from "../../src/worker/http-link.ts";
import type { Place, ScheduledId, Standing, WorkerLink } from "../../src/worker/link.ts";
import { createWorkerServer } from "../../src/worker/server.ts";

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
