/** The queue on the admin port: how far a worker is, and what a person can do about it. */
import { expect, it, vi } from "vitest";
import { wait } from "../worker/bench.ts";
import { openPort, type Port } from "./support.ts";

const standing = async (port: Port) => (await port.get("/queue/counter")).json;

it("tells how far each worker is, partition by partition", async () => {
  const port = await openPort();
  const { partition } = await port.bench.publish("a", 1);
  await vi.waitFor(async () => {
    const { end, position, owner } = (await standing(port)).partitions[partition];
    // The event and its follow-up have one key.
    expect([end, position, owner]).toEqual([2, 2, "counter 1"]);
  }, wait);
  const all = await port.get("/queue");
  expect(all.json.workers).toEqual([await standing(port)]);
  expect(all.json.workers[0]).toMatchObject({
    worker: "counter",
    pausedPartitions: 0,
    lagEvents: 0,
    lagMs: 0,
    instances: 1,
    parkedKeys: 0,
    parkedEvents: 0,
    oldestParkedAt: null,
    scheduledEvents: 0,
    deadLetters: 0,
    partitions: [{ partition: 0 }, { partition: 1 }, { partition: 2 }, { partition: 3 }],
  });
  expect((await port.get("/queue?worker=counter")).json).toEqual(all.json);
});

it("pauses a worker, or some of its partitions, and lets it go on", async () => {
  const port = await openPort();
  expect((await port.send("POST", "/queue/counter/pause", { partitions: [1, 3] })).json).toEqual({
    worker: "counter",
    isPaused: true,
    partitions: [1, 3],
    changed: 2,
  });
  expect((await port.send("POST", "/queue/counter/pause")).json).toMatchObject({
    partitions: "all",
    changed: 2,
  });
  expect(await standing(port)).toMatchObject({ pausedPartitions: 4 });
  // Once the instance has noticed, what comes stays where it is.
  await vi.waitFor(async () => {
    await port.bench.publish("a", 1);
    const { lagEvents, lagMs } = await standing(port);
    expect(lagEvents).toBeGreaterThan(1);
    expect(lagMs).toBeGreaterThan(0);
  }, wait);
  expect((await port.send("POST", "/queue/counter/resume", {})).json).toMatchObject({ changed: 4 });
  await vi.waitFor(async () => expect(await standing(port)).toMatchObject({ lagEvents: 0 }), wait);
});

it("passes over the next events of a partition; they become dead letters", async () => {
  const port = await openPort();
  await port.send("POST", "/queue/counter/pause");
  await vi.waitFor(async () => {
    await port.bench.publish("a", 1);
    expect((await standing(port)).lagEvents).toBeGreaterThan(2);
  }, wait);
  const { partition } = await port.bench.publish("a", 1);
  const before = await standing(port);
  const { json: lag } = await port.get("/workers/counter/lag");
  expect(lag).toMatchObject({ events: before.lagEvents, oldestSeconds: expect.any(Number) });
  const { json } = await port.send("POST", "/queue/counter/skip", { partition, events: 2 });
  expect(json).toMatchObject({
    worker: "counter",
    skipped: [expect.any(String), expect.any(String)],
  });
  expect((await port.get("/dead-letters")).json).toMatchObject({
    count: 2,
    deadLetters: json.skipped.map((id: string) => ({ id, error: { name: "Skipped" } })),
  });
  expect((await standing(port)).lagEvents).toBe(before.lagEvents - 2);
  const one = await port.send("POST", "/queue/counter/skip", { partition });
  expect(one.json.skipped).toHaveLength(1);
});

it("passes over the head of a parked key", async () => {
  const port = await openPort();
  port.mood.waits = (n) => n === 1;
  const head = await port.bench.publish("a", 1);
  await port.bench.publish("a", 2);
  await vi.waitFor(
    async () =>
      expect(await standing(port)).toMatchObject({
        parkedKeys: 1,
        parkedEvents: 2,
        oldestParkedAt: expect.stringMatching(/Z$/),
      }),
    wait,
  );
  // Nothing that another instance could help with.
  const { json: lag } = await port.get("/workers/counter/lag");
  expect(lag).toEqual({ events: 0, oldestSeconds: 0, parked: 2 });
  expect((await port.send("POST", "/queue/counter/skip", { key: "a" })).json).toEqual({
    worker: "counter",
    skipped: [head.id],
  });
  await vi.waitFor(
    async () => expect(await port.bench.effects(port.instance)).toMatchObject([{ n: 2 }]),
    wait,
  );
});

it.each([
  ["an unknown worker", "POST", "/queue/conter/pause", {}, 404, "MR_WORKER_UNKNOWN"],
  ["an unknown worker's status", "GET", "/queue/conter", undefined, 404, "MR_WORKER_UNKNOWN"],
  [
    "an unknown worker among all",
    "GET",
    "/queue?worker=conter",
    undefined,
    404,
    "MR_WORKER_UNKNOWN",
  ],
  ["an unknown parameter", "GET", "/queue?key=a", undefined, 400, "MR_REQUEST_INVALID"],
  [
    "a parameter to pause",
    "POST",
    "/queue/counter/pause?partition=1",
    {},
    400,
    "MR_REQUEST_INVALID",
  ],
  [
    "an unknown partition",
    "POST",
    "/queue/counter/pause",
    { partitions: [4] },
    400,
    "MR_REQUEST_INVALID",
  ],
  [
    "no partitions at all",
    "POST",
    "/queue/counter/resume",
    { partitions: [] },
    400,
    "MR_REQUEST_INVALID",
  ],
  [
    "a misspelt member",
    "POST",
    "/queue/counter/pause",
    { partition: [1] },
    400,
    "MR_REQUEST_INVALID",
  ],
  ["to skip nothing in particular", "POST", "/queue/counter/skip", {}, 400, "MR_REQUEST_INVALID"],
  [
    "to skip two things",
    "POST",
    "/queue/counter/skip",
    { partition: 1, key: "a" },
    400,
    "MR_REQUEST_INVALID",
  ],
  [
    "to skip many of a key",
    "POST",
    "/queue/counter/skip",
    { key: "a", events: 2 },
    400,
    "MR_REQUEST_INVALID",
  ],
  [
    "to skip in no partition",
    "POST",
    "/queue/counter/skip",
    { partition: 4 },
    400,
    "MR_REQUEST_INVALID",
  ],
  [
    "to skip too many",
    "POST",
    "/queue/counter/skip",
    { partition: 0, events: 257 },
    400,
    "MR_REQUEST_INVALID",
  ],
  [
    "to skip a key that is not parked",
    "POST",
    "/queue/counter/skip",
    { key: "a" },
    404,
    "MR_EVENT_NOT_FOUND",
  ],
])("refuses %s", async (_what, method, path, body, status, code) => {
  const port = await openPort();
  expect(await port.send(method, path, body)).toMatchObject({ status, json: { code } });
  expect(await standing(port)).toMatchObject({ pausedPartitions: 0 });
});
