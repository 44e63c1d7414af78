/**
 * Promise 6 between processes: three instances of a worker, each a process with a cache in its own
 * memory, read and commit on one SQLite file as fast as they can. Each of them reads the database
 * before it asks its cache, so it knows itself when an answer is too old. Nothing is lost on the
 * way: the counters add up to the commits.
 *
 * And with a cache that they share on a real Redis server, behind a proxy: it stands still, loses
 * connections and data, and comes back empty or with old data, while they go on.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { storeTable } from "../../src/worker/store-table.ts";
import { prepareBookkeeping } from "../../src/worker/tables.ts";
import { RedisServer, withoutRedis } from "../support/redis-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

export interface InstanceReport {
  /** Answers that were older than the question. */
  readonly stale: readonly string[];
  readonly commits: number;
  /** Commits that were kept waiting, since the cache could not be told. */
  readonly waits: number;
  readonly hit: number;
  readonly fillsRefused: number;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "millrace-cache-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A database with four counters, and three instances that run on it. */
async function threeInstances(...parameters: readonly string[]) {
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
  const children = [1, 2, 3].map(() => fork(program, [file, ...parameters], { stdio: "inherit" }));
  await Promise.all(children.map((child) => once(child, "message")));
  for (const child of children) child.send("go");
  return {
    database,
    children,
    /** What they tell at their end: nothing was too old, and nothing was lost on the way. */
    async reports(): Promise<InstanceReport[]> {
      const reports = children.map((child) => once(child, "message"));
      const exits = children.map((child) => once(child, "exit"));
      const told = (await Promise.all(reports)).map(([report]) => report as InstanceReport);
      for (const [code] of await Promise.all(exits)) expect(code).toBe(0);
      expect(told.flatMap(({ stale }) => stale)).toEqual([]);
      const [row] = await database.read<{ sum: number }>("select sum(n) as sum from counters");
      expect(row?.sum).toBe(told.reduce((sum, { commits }) => sum + commits, 0));
      // It was a test: caches answered, and others committed meanwhile.
      for (const { hit, commits } of told) {
        expect(hit).toBeGreaterThan(50);
        expect(commits).toBeGreaterThan(50);
      }
      return told;
    },
    async end() {
      for (const child of children) child.kill("SIGKILL");
      await database.close();
    },
  };
}

it("answers nothing older than the question, in any of three processes", async () => {
  const system = await threeInstances("1000");
  try {
    await system.reports();
  } finally {
    await system.end();
  }
});

/** What befalls the server, under load; each is over when it resolves. */
const faults: Record<string, (parts: FaultParts) => Promise<unknown> | unknown> = {
  async "stands still until it is given up"({ server, hasState }) {
    server.pause();
    await hasState("closing");
    server.resume();
  },
  "loses its connections": ({ proxy }) => proxy.cut(),
  "is emptied": ({ server }) => server.cli("flushall"),
  async "is killed, and begins anew with what it had saved"({ server }) {
    server.cli("save");
    await server.kill();
    await server.start();
  },
  async "is away until they go on without it, and begins anew empty"({ server, hasState }) {
    rmSync(join(server.folder, "dump.rdb"), { force: true });
    await server.kill();
    await hasState("closed");
    await server.start();
  },
};

interface FaultParts {
  readonly server: RedisServer;
  readonly proxy: TcpProxy;
  /** Waits until the instances' record of the store says so. */
  readonly hasState: (state: string) => Promise<void>;
}

it.skipIf(withoutRedis)(
  "answers nothing older on Redis, whatever befalls it",
  async () => {
    await using server = await RedisServer.start();
    await using proxy = await TcpProxy.to(server.port);
    const url = `redis://127.0.0.1:${proxy.port}`;
    const system = await threeInstances("until told", url);
    const hits = async () =>
      await Promise.all(
        system.children.map(async (child) => {
          child.send("hits?");
          return Number((await once(child, "message"))[0]);
        }),
      );
    /** All of them find something in the cache again. */
    const isInUse = async () => {
      const before = await hits();
      await expect
        .poll(async () => (await hits()).every((hit, at) => hit > (before[at] ?? 0) + 20), {
          timeout: 30_000,
        })
        .toBe(true);
    };
    const hasState = async (state: string) => {
      const read = async () => (await storeTable(system.database).read()).state;
      await expect.poll(read, { timeout: 20_000, interval: 20 }).toBe(state);
    };
    try {
      await isInUse();
      for (const befall of Object.values(faults)) {
        await befall({ server, proxy, hasState });
        await isInUse();
      }
      for (const child of system.children) child.send("stop");
      const told = await system.reports();
      expect(told.some(({ waits }) => waits > 0)).toBe(true);
    } finally {
      await system.end();
    }
  },
  180_000,
);
