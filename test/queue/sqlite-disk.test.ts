/**
 * A disk that runs full, fails or is held by others: nothing is acknowledged and then dropped, what
 * is refused says whether it may be stored, and a full queue can drain itself. Limits stand in for
 * sizes; the full disk is a small tmpfs (where mounting is allowed), the failing one a limit of
 * file size.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, vi } from "vitest";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { RoomGate } from "../../src/engines/sqlite/queue-disk.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";
import { smallDisk } from "../support/small-disk.ts";
import {
  idsOf,
  openQueue,
  readAll,
  request,
  requests,
  startWriter,
  temporaryFolder,
} from "./support.ts";
import type { WriterLine } from "./writer-terms.ts";

const mebibyte = 1_048_576;
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "accepted",
    (error: { code: string }) => error.code,
  );

describe("room", () => {
  it("is refused below the mark, and given again at one and a half times the mark", () => {
    const gate = new RoomGate(100, 1_000);
    const check = (freeBytes: number) => {
      try {
        gate.check(freeBytes, 0, 10);
        return "room";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect([200, 110, 109, 110, 159, 160, 110].map(check)).toEqual([
      "room",
      "room",
      "MR_QUEUE_FULL",
      "MR_QUEUE_FULL",
      "MR_QUEUE_FULL",
      "room",
      "room",
    ]);
    gate.shut();
    expect(check(120)).toBe("MR_QUEUE_FULL");
  });

  it("is missing below the low-water mark: nothing is stored, health says so", async () => {
    const folder = temporaryFolder();
    const engine = await openQueue({ folder, diskLowBytes: Number.MAX_SAFE_INTEGER });
    expect(await codeOf(engine.append(requests("event", 3)))).toBe("MR_QUEUE_FULL");
    expect(await engine.health()).toMatchObject({ status: "warn", storedEvents: 0 });
    expect(await readAll(engine)).toEqual([]);
    // A duplicate is refused as well: nobody looks it up.
    const other = await openQueue({ folder });
    await other.append([request("event")]);
    expect(await codeOf(engine.append([request("event")]))).toBe("MR_QUEUE_FULL");
  });

  it("ends at the bound of stored bytes, and comes back when events are trimmed", async () => {
    const engine = await openQueue({ folder: temporaryFolder(), storedBytesMax: mebibyte });
    const data = JSON.stringify("x".repeat(10_000));
    let outcome = "accepted";
    for (let at = 0; outcome === "accepted"; at++) {
      outcome = await codeOf(engine.append(requests(`event-${at}`, 4, data)));
    }
    expect(outcome).toBe("MR_QUEUE_BACKLOG");
    for (const [partition, end] of await engine.ends()) await engine.trim(partition, end);
    expect(await codeOf(engine.append(requests("after", 4, data)))).toBe("accepted");
    expect((await engine.health()).storedEvents).toBe(4);
  });
});

it("writes a ballast that really takes its room, a moment after the start", async () => {
  const folder = temporaryFolder();
  const clock = handClock();
  const engine = await openSqliteQueue({ folder, clock, ballastBytes: 3 * mebibyte + 7 });
  const ballast = join(folder, "ballast");
  expect(existsSync(ballast)).toBe(false);
  clock.advance(limits.ballastDelayMs);
  await vi.waitFor(() => expect(existsSync(ballast)).toBe(true), { timeout: 30_000 });
  const { size, blocks, mode } = statSync(ballast);
  expect(size).toBe(3 * mebibyte + 7);
  expect(blocks * 512).toBeGreaterThanOrEqual(size);
  expect(mode & 0o077).toBe(0);
  await engine.close();
});

it("says that the queue is unavailable where another process holds the lock, then goes on", async () => {
  const folder = temporaryFolder();
  const engine = await openQueue({ folder, busyTimeoutMs: 30 });
  const other = new DatabaseSync(join(folder, "queue.db"));
  other.exec("begin immediate");
  expect(await codeOf(engine.append([request("event")]))).toBe("MR_QUEUE_UNAVAILABLE");
  other.exec("rollback");
  other.close();
  expect(await codeOf(engine.append([request("event")]))).toBe("accepted");
  expect(idsOf(await readAll(engine))).toEqual(["event"]);
});

it.skipIf(process.platform === "win32")(
  "a commit that fails to reach the disk is an unknown result, and nothing is accepted after it",
  async () => {
    const folder = temporaryFolder();
    const lines: WriterLine[] = [];
    const writer = startWriter(
      { folder, name: "w", appends: 60, eventsMax: 40, dataBytes: 5_000, fileKibibytesMax: 3_000 },
      (line) => lines.push(line),
    );
    await writer.exited;
    const broken = lines.findIndex(({ refused }) => refused !== undefined);
    expect(broken).toBeGreaterThan(0);
    const [first, ...later] = lines.slice(broken);
    expect(first).toEqual({ refused: "MR_RESULT_UNKNOWN" });
    expect(later.filter(({ fatal }) => fatal !== undefined)).toHaveLength(1);
    for (const { refused, fatal } of later) {
      if (fatal === undefined) expect(refused).toBe("MR_QUEUE_UNAVAILABLE");
    }
    const acknowledged = lines.flatMap((line) => line.acknowledged ?? []).map(([id]) => id);
    const engine = await openQueue({ folder });
    const stored = new Set(idsOf(await readAll(engine)));
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    expect(await codeOf(engine.append([request("after the restart")]))).toBe("accepted");
  },
);

it("a disk that is full drains by the ballast, keeps what it has, and takes events again", async (test) => {
  // Full before the first checkpoint, which would find it out after an append that went well.
  const disk = smallDisk("7m");
  if (disk === undefined) return test.skip("mounting a file system is not allowed here");
  const folder = join(disk, "queue");
  const clock = handClock();
  // The low-water mark is off: the disk itself must say that it is full.
  const engine = await openSqliteQueue({
    folder,
    clock,
    partitions: 4,
    diskLowBytes: Number.NEGATIVE_INFINITY,
    ballastBytes: 3 * mebibyte,
  });
  clock.advance(limits.ballastDelayMs);
  const ballast = join(folder, "ballast");
  await vi.waitFor(() => expect(existsSync(ballast)).toBe(true), { timeout: 30_000 });
  const data = JSON.stringify("x".repeat(20_000));
  const accepted: string[] = [];
  let outcome = "accepted";
  for (let at = 0; outcome === "accepted" && at < 1_000; at++) {
    const batch = requests(`event-${at}`, 8, data);
    outcome = await codeOf(engine.append(batch));
    if (outcome === "accepted") accepted.push(...batch.map(({ event }) => event.id));
  }
  expect(outcome).toBe("MR_QUEUE_FULL");
  expect(existsSync(ballast)).toBe(false);
  expect(idsOf(await readAll(engine))).toEqual(accepted);
  const ends = await engine.ends();
  for (const [partition, end] of ends) await engine.trim(partition, end);
  expect(await codeOf(engine.append(requests("after", 8, data)))).toBe("accepted");
  expect(await readAll(engine, ends)).toHaveLength(8);
  await engine.close();
});
