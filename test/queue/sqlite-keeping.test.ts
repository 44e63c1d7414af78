/**
 * What the SQLite engine keeps and lets go of, where the port leaves it to the engine: ids beyond
 * their window, large trims in parts, long stretches of other events, the files' rights, the number
 * of partitions, and times that never go back.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { limits } from "../../src/lib/limits.ts";
import type { AppendRequest, QueueEngine } from "../../src/queue/engine.ts";
import { handClock } from "../support/hand-clock.ts";
import {
  fromStart,
  idsOf,
  openQueue,
  readAll,
  request,
  requests,
  temporaryFolder,
} from "./support.ts";

async function appendAll(engine: QueueEngine, all: readonly AppendRequest[]): Promise<void> {
  for (let at = 0; at < all.length; at += 1_000) await engine.append(all.slice(at, at + 1_000));
}

async function trimAll(engine: QueueEngine): Promise<void> {
  for (const [partition, end] of await engine.ends()) await engine.trim(partition, end);
}

describe("ids", () => {
  it("are forgotten once their window is over and their event is trimmed, not before", async () => {
    const clock = handClock();
    const engine = await openQueue({ folder: temporaryFolder(), clock, idWindowMs: 1_000 });
    await appendAll(engine, requests("old", 1_500));
    const kept = request("kept", 0);
    await engine.append([kept]);
    const [before] = await engine.find("kept");
    for (const [partition, end] of await engine.ends()) {
      await engine.trim(partition, partition === 0 ? (before?.position ?? 0) - 1 : end);
    }
    clock.advance(2_000);
    // Each thousand of new events sweeps twice as many ids; this is more than once round.
    await appendAll(engine, requests("new", 6_000));
    expect(await engine.find("old-0")).toEqual([]);
    expect(await engine.find("old-1499")).toEqual([]);
    expect(await engine.find("kept")).toMatchObject([{ position: before?.position, event: {} }]);
    const [again] = await engine.append([request("old-0", 0)]);
    expect(again?.duplicate).toBe(false);
    expect((await engine.append([kept]))[0]?.duplicate).toBe(true);
  });

  it("are kept within their window, though their events are trimmed", async () => {
    const engine = await openQueue({ folder: temporaryFolder() });
    await appendAll(engine, requests("old", 1_500));
    await trimAll(engine);
    await appendAll(engine, requests("new", 6_000));
    const [again] = await engine.append([request("old-7", 3)]);
    expect(again?.duplicate).toBe(true);
  });
});

describe("long stretches", () => {
  const many = limits.scanEventsMax * 2 + 5_000;

  it("are trimmed in parts, while appends go on in between", async () => {
    const engine = await openQueue({ folder: temporaryFolder() });
    await appendAll(engine, requests("event", many));
    const [end = 0] = [(await engine.ends()).get(1)];
    const trimming = engine.trim(1, end);
    await engine.append([request("meanwhile", 1)]);
    await trimming;
    const left = await readAll(engine, new Map([[1, end]]));
    expect(idsOf(left)).toEqual(["meanwhile"]);
    expect((await engine.health()).storedEvents).toBe(many - many / 4 + 1);
  });

  it("of other types and partitions are passed over, and what lies behind them is found", async () => {
    const engine = await openQueue({ folder: temporaryFolder() });
    await appendAll(engine, requests("event", many));
    const wanted = request("wanted", 2);
    await engine.append([{ ...wanted, event: { ...wanted.event, type: "other.type" } }]);
    const subscription = engine.subscribe(new Map([[2, 0]]), { types: new Set(["other.type"]) });
    let reached = 0;
    const ids: string[] = [];
    for (;;) {
      const { events, positions } = await subscription.next(10, 0);
      if (positions.size === 0) break;
      expect(positions.get(2)).toBeGreaterThan(reached);
      reached = positions.get(2) ?? 0;
      ids.push(...idsOf(events));
    }
    expect(ids).toEqual(["wanted"]);
    expect(reached).toBe((await engine.ends()).get(2));
  });

  it("do not hide where a quiet partition stood at a time", async () => {
    const clock = handClock();
    const engine = await openQueue({ folder: temporaryFolder(), clock });
    const [quiet] = await engine.append([request("quiet", 3)]);
    clock.advance(1_000);
    const busy = Array.from({ length: many }, (_, at) => request(`busy-${at}`, 0));
    await appendAll(engine, busy);
    clock.advance(1_000);
    await engine.append([request("late", 3)]);
    expect(await engine.positionAt(3, clock.now() - 500)).toBe(quiet?.position);
    expect(await engine.positionAt(3, clock.now() - 1_500)).toBe(quiet?.position);
    expect(await engine.positionAt(3, clock.now() - 2_500)).toBe(0);
  });
});

it("gives times of acceptance that never go back, though the clock does", async () => {
  const clock = handClock();
  const folder = temporaryFolder();
  const engine = await openQueue({ folder, clock });
  await engine.append([request("first")]);
  const earlier = await openQueue({ folder, clock: handClock(clock.now() - 3_600_000) });
  await earlier.append([request("second")]);
  const times = (await readAll(engine)).map(({ acceptedAt }) => acceptedAt);
  expect(times).toEqual([clock.now(), clock.now()]);
});

it("keeps the number of partitions that a queue was created with", async () => {
  const folder = temporaryFolder();
  const first = await openQueue({ folder, partitions: 4 });
  const second = await openQueue({ folder, partitions: 32 });
  expect([first.partitions, second.partitions]).toEqual([4, 4]);
  expect((await second.ends()).size).toBe(4);
});

it.skipIf(process.platform === "win32")("lets only its owner read what it stores", async () => {
  const folder = join(temporaryFolder(), "new", "queue");
  const engine = await openQueue({ folder, ballastBytes: 1_000 });
  await engine.append([request("secret")]);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(folder)) {
    expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0);
  }
});

it("leaves nothing but the data behind when it is closed", async () => {
  const folder = temporaryFolder();
  const engine = await openQueue({ folder });
  engine.subscribe(fromStart());
  await engine.append(requests("event", 100));
  await engine.close();
  expect(existsSync(join(folder, "queue.db-wal"))).toBe(false);
  expect(readdirSync(folder).sort()).toEqual(["bell", "queue.db"]);
});
