/**
 * What the embedded queue cannot trust, it refuses and leaves as it was, byte for byte: newer
 * formats, other databases, noise, files cut short. What changed inside a row is found when it is
 * read.
 */
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { fromStart, idsOf, openQueue, requests, temporaryFolder } from "./support.ts";

/** A folder with a queue of some hundred events, closed. */
async function filledFolder(): Promise<string> {
  const folder = temporaryFolder();
  const engine = await openQueue({ folder });
  await engine.append(requests("event", 400, JSON.stringify("x".repeat(500))));
  await engine.close();
  return folder;
}

async function expectRefused(folder: string, code: string): Promise<void> {
  const names = ["queue.db", "queue.db-wal"];
  const bytes = () =>
    names.map((name) => {
      const file = join(folder, name);
      return statSync(file, { throwIfNoEntry: false }) === undefined
        ? ""
        : readFileSync(file, "hex");
    });
  const before = bytes();
  const opening = openSqliteQueue({ folder, ballastBytes: 0 });
  await expect(opening).rejects.toMatchObject({ code, remedy: expect.stringContaining("") });
  // An empty WAL is as good as none.
  expect(bytes()).toEqual(before);
}

function change(folder: string, sql: string): void {
  const db = new DatabaseSync(join(folder, "queue.db"));
  db.exec(sql);
  db.close();
}

describe("refused and left as it was", () => {
  it("a newer format", async () => {
    const folder = await filledFolder();
    change(folder, "pragma user_version = 2");
    await expectRefused(folder, "MR_DATA_NEWER");
  });

  it("a newer format whose last commits are still in the WAL, as after a crash", async () => {
    const source = await filledFolder();
    change(source, "pragma user_version = 2");
    const db = new DatabaseSync(join(source, "queue.db"));
    db.exec("update queue set events = events + 1");
    const folder = join(temporaryFolder(), "copy");
    mkdirSync(folder);
    for (const name of ["queue.db", "queue.db-wal"]) {
      copyFileSync(join(source, name), join(folder, name));
    }
    db.close();
    expect(statSync(join(folder, "queue.db-wal")).size).toBeGreaterThan(0);
    await expectRefused(folder, "MR_DATA_NEWER");
  });

  it("a database that is no queue", async () => {
    const folder = temporaryFolder();
    change(
      folder,
      "pragma journal_mode = wal; create table other (a); insert into other values (1)",
    );
    await expectRefused(folder, "MR_DATA_DAMAGED");
  });

  it.each([10, 5_000])("%i bytes of noise", async (length) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "queue.db"), "noise! ".repeat(length).slice(0, length));
    await expectRefused(folder, "MR_DATA_DAMAGED");
  });

  it.each([0.3, 0.9])("a file cut to %f of its length", async (share) => {
    const folder = await filledFolder();
    const file = join(folder, "queue.db");
    truncateSync(file, Math.floor((statSync(file).size * share) / 4096) * 4096);
    await expectRefused(folder, "MR_DATA_DAMAGED");
  });

  it("a queue without its head", async () => {
    const folder = await filledFolder();
    change(folder, "delete from queue");
    await expectRefused(folder, "MR_DATA_DAMAGED");
  });

  it("a folder that is a file", async () => {
    const folder = join(temporaryFolder(), "file");
    writeFileSync(folder, "");
    await expect(openSqliteQueue({ folder })).rejects.toMatchObject({ code: "MR_DATA_UNUSABLE" });
  });
});

it("an empty file, as an interrupted creation leaves it, becomes a queue", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "queue.db"), "");
  const engine = await openQueue({ folder });
  expect(await engine.append(requests("event", 1))).toHaveLength(1);
});

it.each(["data", "key", "partition", "accepted_at", "attributes"])(
  "a row whose %s changed is reported, after the events before it",
  async (column) => {
    const folder = await filledFolder();
    const value = column === "partition" || column === "accepted_at" ? "2" : `'{"a":1}'`;
    change(folder, `update events set ${column} = ${value} where position = 42`);
    const engine = await openQueue({ folder });
    const subscription = engine.subscribe(fromStart());
    const { events, positions } = await subscription.next(100, 0);
    expect(events.map(({ position }) => position)).toEqual(
      Array.from({ length: 41 }, (_, at) => at + 1),
    );
    expect(Math.max(...positions.values())).toBe(41);
    const fault = { code: "MR_QUEUE_DAMAGED", extra: expect.objectContaining({ position: 42 }) };
    await expect(subscription.next(100, 0)).rejects.toMatchObject(fault);
    await expect(subscription.next(100, 0)).rejects.toMatchObject(fault);
    await expect(engine.find("event-41")).rejects.toMatchObject(fault);
    expect((await engine.find("event-40"))[0]?.event?.id).toBe("event-40");
  },
);

it("the partitions that a damaged row does not belong to can be read past it", async () => {
  const folder = await filledFolder();
  change(folder, "update events set data = 'x' where position = 42");
  const engine = await openQueue({ folder });
  const others = new Map([0, 2, 3].map((partition) => [partition, 0]));
  const { events } = await engine.subscribe(others).next(400, 0);
  expect(idsOf(events)).toHaveLength(300);
});
