/**
 * One instance of a worker as far as its cache goes, in a process of its own: it reads through its
 * cache and commits, at random, and holds every answer against what the database said before it
 * asked. Prints what happened, as JSON.
 *
 * node instance-process.ts <database file> <operations>
 */
import { setImmediate as turn } from "node:timers/promises";
import { createCache } from "../../src/cache/cache.ts";
import { createMemoryCache } from "../../src/engines/memory/cache.ts";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { systemRandom } from "../../src/lib/random.ts";
import { WorkerStore } from "../../src/worker/store.ts";
import { touchTable } from "../../src/worker/touch-table.ts";
import type { InstanceReport } from "./processes.test.ts";

const [file = "", operations = "0"] = process.argv.slice(2);
const database = await openSqliteDatabase({ file });
const store = new WorkerStore(database);
const cache = createCache({
  engine: createMemoryCache({ bytesMax: 1_000_000, clock: systemClock }),
  touches: touchTable(database),
  clock: systemClock,
  ttlMs: 60_000,
});
const stale: string[] = [];
let commits = 0;

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
  const touched = await database.transaction(async (tx) => {
    await tx.run("update counters set n = n + 1 where key = $1", [key]);
    view.touch([key]);
    await store.touch(tx, view.touched);
    await cache.block([...view.touched]);
    return [...view.touched];
  });
  commits += 1;
  await cache.release(touched);
  await view.settle();
}

async function run(count: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    const key = `key:${Math.floor(systemRandom.fraction() * 4)}`;
    await (systemRandom.fraction() < 0.1 ? commit(key) : read(key));
    await turn();
  }
}

// The parent waits for all, so that they begin together.
process.send?.("ready");
await new Promise((resolve) => process.once("message", resolve));
await Promise.all(Array.from({ length: 4 }, () => run(Number(operations) / 4)));
const { hit, fillsRefused } = cache.counts;
const report: InstanceReport = { stale, commits, hit, fillsRefused };
process.send?.(report, () => process.disconnect());
await cache.close();
await database.close();
