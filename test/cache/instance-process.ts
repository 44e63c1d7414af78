/**
 * One instance of a worker as far as its cache goes, in a process of its own: it reads through its
 * cache and commits, at random, and holds every answer against what the database said before it
 * asked. Prints what happened, as JSON.
 *
 * With the address of a Redis server, its cache is there, shared with the others.
 *
 * node instance-process.ts <database file> <operations, or "until told"> [redis://…]
 */
import { setImmediate as turn } from "node:timers/promises";
import { createCache, type Hold } from "../../src/cache/cache.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { openRedisCache } from "../../src/engines/redis/cache.ts";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { WorkerStore } from "../../src/worker/store.ts";
import { storeTable } from "../../src/worker/store-table.ts";
import { touchTable } from "../../src/worker/touch-table.ts";
import type { InstanceReport } from "./processes.test.ts";

const [file = "", operations = "0", url] = process.argv.slice(2);
const database = await openSqliteDatabase({ file });
const store = new WorkerStore(database);
const cache = createCache({
  engine:
    url === undefined
      ? createMemoryCache({ bytesMax: 1_000_000, clock: systemClock })
      : await openRedisCache({ url, system: "test", worker: "counters" }),
  touches: touchTable(database),
  record: storeTable(database),
  clock: systemClock,
  ttlMs: 60_000,
});
const stale: string[] = [];
let commits = 0;
let waits = 0;
let isStopping = false;

async function stored(key: string): Promise<number> {
  const [row] = await database.read<{ n: number }>("select n from counters where key = $1", [key]);
  return row?.n ?? 0;
}

async function read(key: string): Promise<void> {
  const atLeast = await stored(key);
  const { value } = await cache.read(key, async () => {
    const n = await stored(key);
    // Time for others to commit between the read and the fill.
    await turn();
    return n;
  });
  if (value < atLeast) stale.push(`${key}: ${value} after ${atLeast}`);
}

async function commit(key: string): Promise<void> {
  const view = cache.transactionView();
  view.touch([key]);
  let hold: Hold | undefined;
  try {
    await database.transaction(async (tx) => {
      await tx.run("update counters set n = n + 1 where key = $1", [key]);
      await store.touch(tx, view.touched);
      hold = await cache.block([...view.touched], tx);
    });
    commits += 1;
    await hold?.release();
    await view.settle();
  } catch (thrown) {
    if (!isMillraceError(thrown, "MR_CACHE_UNAVAILABLE")) throw thrown;
    await hold?.release();
    waits += 1;
    await systemClock.sleep(50);
  }
}

async function run(count: number): Promise<void> {
  for (let done = 0; !isStopping && !(done >= count); done++) {
    const key = `key:${Math.floor(systemRandom.fraction() * 4)}`;
    await (systemRandom.fraction() < 0.1 ? commit(key) : read(key));
    // Those that run for long leave something of the machine to others.
    if (url === undefined) await turn();
    else await systemClock.sleep(2);
  }
}

// The parent waits for all, so that they begin together.
process.send?.("ready");
await new Promise((resolve) => process.once("message", resolve));
process.on("message", (message) => {
  if (message === "stop") isStopping = true;
  else process.send?.(cache.counts.hit);
});
await Promise.all(Array.from({ length: 4 }, () => run(Number(operations) / 4)));
const { hit, fillsRefused } = cache.counts;
const report: InstanceReport = { stale, commits, waits, hit, fillsRefused };
process.send?.(report, () => process.disconnect());
await cache.close();
await database.close();
