/**
 * A SQLite file is opened so that its commits survive power loss and only its owner reads it; the
 * settings are read back from a real file. Failures are made for real: a second connection that
 * holds the lock, a file of noise, a file that may not grow.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { beginImmediate, openSqlite, sqliteFailure } from "../../src/engines/sqlite/sqlite.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-sqlite-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
};

it("syncs each commit, maps nothing, and keeps a WAL of limited size", () => {
  const db = openSqlite(join(folder, "a", "b.db"));
  const pragma = (name: string) => Object.values(db.prepare(`pragma ${name}`).get() ?? {})[0];
  expect(pragma("journal_mode")).toBe("wal");
  expect(pragma("synchronous")).toBe(2);
  expect(pragma("mmap_size")).toBe(0);
  expect(pragma("busy_timeout")).toBe(0);
  expect(pragma("journal_size_limit")).toBeGreaterThan(0);
  db.close();
});

it.skipIf(process.platform === "win32")("lets only the owner read the file, WAL and folder", () => {
  const file = join(folder, "a", "b.db");
  const db = openSqlite(file);
  db.exec("create table t (a)");
  for (const path of [file, `${file}-wal`, `${file}-shm`]) {
    expect(statSync(path).mode & 0o777, path).toBe(0o600);
  }
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o700);
  db.close();
});

it("moves what an earlier process left in the WAL into the file when it opens", () => {
  const file = join(folder, "b.db");
  const first = openSqlite(file);
  first.exec("create table t (a)");
  expect(statSync(`${file}-wal`).size).toBeGreaterThan(0);
  const second = openSqlite(file);
  expect(statSync(`${file}-wal`).size).toBe(0);
  second.close();
  first.close();
});

it("waits for another writer without blocking the event loop", async () => {
  const file = join(folder, "b.db");
  const holder = openSqlite(file);
  const waiter = openSqlite(file);
  holder.exec("begin immediate");
  let waits = 0;
  const clock: Clock = {
    ...systemClock,
    sleep: async () => {
      if (++waits === 3) holder.exec("commit");
    },
  };
  await beginImmediate(waiter, clock);
  expect(waits).toBe(3);
  waiter.close();
  holder.close();
});

it("gives up on a lock that is never released", async () => {
  const file = join(folder, "b.db");
  const holder = openSqlite(file);
  const waiter = openSqlite(file);
  holder.exec("begin immediate");
  let now = 0;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => now,
    sleep: async () => {
      now += 1_000;
    },
  };
  const error = await beginImmediate(waiter, clock).catch((thrown: unknown) => thrown);
  expect(sqliteFailure(error)).toBe("busy");
  waiter.close();
  holder.close();
});

it("tells a damaged file, a full disk, a lock and a mistake in a statement apart", () => {
  const noise = join(folder, "noise.db");
  writeFileSync(noise, Buffer.alloc(8_192, "noise"));
  expect(sqliteFailure(thrownBy(() => openSqlite(noise)))).toBe("damaged");

  const db = openSqlite(join(folder, "b.db"));
  db.exec("create table t (a)");
  db.exec("pragma max_page_count = 2");
  const fill = () => db.prepare("insert into t values (zeroblob(100000))").run();
  expect(sqliteFailure(thrownBy(fill))).toBe("full");
  expect(sqliteFailure(thrownBy(() => db.exec("selec 1")))).toBeUndefined();
  expect(sqliteFailure(new Error("busy"))).toBeUndefined();
  expect(sqliteFailure(undefined)).toBeUndefined();
  db.close();
});

it("gives a connection that cannot write", () => {
  const file = join(folder, "b.db");
  const writer = openSqlite(file);
  writer.exec("create table t (a)");
  const reader = openSqlite(file, { readOnly: true });
  expect(() => reader.exec("insert into t values (1)")).toThrow(/readonly/);
  reader.exec("pragma query_only = 0");
  expect(() => reader.exec("insert into t values (1)")).toThrow(/readonly/);
  reader.close();
  writer.close();
});
