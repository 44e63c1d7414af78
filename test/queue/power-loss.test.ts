/**
 * Power loss: the queue lies on a file system of its own, in an image that stands for the disk. At
 * random moments the image is copied as it is, without what the kernel still had in memory, while
 * the writer is stopped between two of its steps, so that the copy is of one moment. From each copy
 * everything must come back that was acknowledged before it, at the place of its receipt.
 */
import { constants, copyFileSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished, vi } from "vitest";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { openSqlite } from "../../src/engines/sqlite/sqlite.ts";
import { makeImage, mountImage } from "../support/small-disk.ts";
import { readAll, startWriter, temporaryFolder } from "./support.ts";

const powerLosses = 25;

it(`recovers everything acknowledged, from ${powerLosses} disks`, {
  timeout: 180_000,
}, async (test) => {
  const folder = temporaryFolder();
  const image = join(folder, "disk.img");
  if (!makeImage(image, "96M")) return test.skip("no file system can be made or mounted here");
  using disk = mountImage(image);
  if (disk === undefined) return test.skip("mounting a file system is not allowed here");
  const queue = join(disk.folder, "queue");
  mkdirSync(queue);
  const acknowledged = new Map<string, readonly [partition: number, position: number]>();
  const writer = startWriter(
    { folder: queue, name: "w", dataBytes: 100, diskLowBytes: 0 },
    (line) => {
      for (const [id, ...place] of line.acknowledged ?? []) {
        acknowledged.set(id, place as [number, number]);
      }
    },
  );
  // A stopped process would outlive a failed test.
  onTestFinished(() => void writer.process.kill("SIGKILL"));
  await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(0), { timeout: 20_000 });
  for (let loss = 0; loss < powerLosses; loss++) {
    // A moment that nobody chose.
    await sleep(20 + Math.random() * 150);
    writer.process.kill("SIGSTOP");
    // What was acknowledged by now; what the writer has said and nobody read yet is not counted.
    const before = new Map(acknowledged);
    const copy = join(folder, "copy.img");
    copyFileSync(image, copy, constants.COPYFILE_FICLONE);
    const stored = await recovered(copy);
    for (const [id, place] of before) {
      expect(stored.get(id), `${id} was acknowledged before power loss ${loss}`).toEqual(place);
    }
    rmSync(copy);
    writer.process.kill("SIGCONT");
  }
  writer.process.kill("SIGKILL");
  await writer.exited;
  expect(acknowledged.size).toBeGreaterThan(100);
});

/** What comes back of a disk: id → place, each once. */
async function recovered(image: string): Promise<Map<string, readonly [number, number]>> {
  using disk = mountImage(image);
  if (disk === undefined) throw new Error("the copy cannot be mounted");
  const folder = join(disk.folder, "queue");
  const engine = await openSqliteQueue({ folder, partitions: 4, ballastBytes: 0 });
  const stored = await readAll(engine);
  await engine.close();
  const db = openSqlite(join(folder, "queue.db"));
  expect(db.prepare("pragma integrity_check").get()).toEqual({ integrity_check: "ok" });
  db.close();
  expect(new Set(stored.map(({ position }) => position)).size).toBe(stored.length);
  expect(new Set(stored.map(({ event }) => event.id)).size).toBe(stored.length);
  return new Map(stored.map(({ event, partition, position }) => [event.id, [partition, position]]));
}
