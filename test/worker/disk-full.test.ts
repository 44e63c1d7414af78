/**
 * The disk of a worker's database is full: its events stay in the queue, no attempt is counted,
 * nothing dies of it, and it goes on by itself once there is room. On a small file system of its
 * own, filled for real.
 */
import { statfsSync } from "node:fs";
import { appendFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import { check, violations } from "../../src/drill/checker.ts";
import { smallDisk } from "../support/small-disk.ts";
import { Bench, Counted, type Tables, wait } from "./bench.ts";

const filler = Buffer.alloc(65_536, 1);

/** Takes what is left of a disk. */
async function fill(file: string): Promise<void> {
  for (const size of [filler.length, 4_096, 1]) {
    for (;;) {
      const isFull = await appendFile(file, filler.subarray(0, size)).then(
        () => false,
        (error: NodeJS.ErrnoException) => error.code === "ENOSPC",
      );
      if (isFull) break;
    }
  }
}

it("waits for room, and goes on without a hand", async (test) => {
  const disk = smallDisk("16m");
  if (disk === undefined) return test.skip("mounting a file system is not allowed here");
  await using bench = await Bench.open({ above: disk });
  const attempts: number[] = [];
  const instance = await bench.start([
    on<typeof Counted, Tables>(Counted, async (event, { db }) => {
      attempts.push(event.attempt);
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
    }),
  ]);
  const published: { key: string; n: number; id: string }[] = [];
  const publish = async (count: number) => {
    for (let at = 0; at < count; at++) {
      const n = published.length;
      const key = `key ${n % 5}`;
      const { id } = await bench.publish(key, n);
      published.push({ key, n, id });
    }
  };
  await publish(50);
  await vi.waitFor(async () => expect(await bench.effects(instance)).toHaveLength(50), wait);
  for (let time = 0; time < 3; time++) {
    const file = join(disk, "filler");
    await fill(file);
    expect(statfsSync(disk).bfree).toBe(0);
    // Enough for the tables and the write-ahead log to need new pages.
    await publish(2_000);
    await vi.waitFor(() => expect(instance.worker.waitingFor).toMatch(/disk.*is full/), wait);
    expect(await instance.worker.progress()).toMatchObject({ parkedEvents: 0, deadLetters: 0 });
    await rm(file);
    await vi.waitFor(
      async () => expect(await bench.effects(instance)).toHaveLength(published.length),
      { timeout: 30_000, interval: 50 },
    );
    await vi.waitFor(() => expect(instance.worker.waitingFor).toBeUndefined(), wait);
  }
  expect(new Set(attempts)).toEqual(new Set([1]));
  expect(instance.fatal).toEqual([]);
  expect(violations(check(published, await bench.effects(instance)))).toEqual([]);
});
