/**
 * Promise 6 between processes: three instances of a worker, each a process with a cache in its own
 * memory, read and commit on one SQLite file as fast as they can. Each of them reads the database
 * before it asks its cache, so it knows itself when an answer is too old. Nothing is lost on the
 * way: the counters add up to the commits.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { prepareBookkeeping } from "../../src/worker/tables.ts";

export interface InstanceReport {
  /** Answers that were older than the question. */
  readonly stale: readonly string[];
  readonly commits: number;
  readonly hit: number;
  readonly fillsRefused: number;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-cache-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it("answers nothing older than the question, in any of three processes", async () => {
  const file = join(folder, "worker.db");
  const database = await openSqliteDatabase({ file });
  await prepareBookkeeping(database);
  await database.transaction(async (tx) => {
    await tx.run("create table counters (key text primary key, n integer not null)");
    for (const key of [0, 1, 2, 3]) {
      await tx.run("insert into counters values ($1, 0)", [`key:${key}`]);
    }
  });

  const program = fileURLToPath(new URL("instance-process.ts", import.meta.url));
  const children = [1, 2, 3].map(() => fork(program, [file, "1000"], { stdio: "inherit" }));
  try {
    await Promise.all(children.map((child) => once(child, "message")));
    const reports = children.map((child) => once(child, "message"));
    const exits = children.map((child) => once(child, "exit"));
    for (const child of children) child.send("go");
    const told = (await Promise.all(reports)).map(([report]) => report as InstanceReport);
    for (const [code] of await Promise.all(exits)) expect(code).toBe(0);

    expect(told.flatMap(({ stale }) => stale)).toEqual([]);
    // It was a test: caches answered, and others committed meanwhile.
    for (const { hit, commits } of told) {
      expect(hit).toBeGreaterThan(50);
      expect(commits).toBeGreaterThan(50);
    }
    const [row] = await database.read<{ sum: number }>("select sum(n) as sum from counters");
    expect(row?.sum).toBe(told.reduce((sum, { commits }) => sum + commits, 0));
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await database.close();
  }
});
