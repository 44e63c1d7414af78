/**
 * What a handler has read is still true when its effects are committed, whatever other instances do
 * at the same time: a handler that reads, computes and writes back, across keys, needs to know
 * nothing of them. Each event writes to one of two rows, by turns, what is one more than the larger
 * of the two: in the end that is as much as there were events. Two at the same time that read the
 * same and write to different rows would lose one, though no row was changed by both. Four
 * instances of two lanes each want the same rows all the time: no event is handled more often than
 * the bound allows.
 */
import type { Kysely } from "kysely";
import { type HandlerDefinition, on } from "millrace";
import { expect, it, vi } from "vitest";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { limits } from "../../src/lib/limits.ts";
import { Bench, Counted, type Instance, rowsAt, type Tables, wait } from "./bench.ts";

const lanes = ["1/1", "1/2", "2/1", "2/2", "3/1", "3/2", "4/1", "4/2"];
/** Nobody loses a partition here for being slow. */
const leaseTimes = { leaseMs: 60_000, heartbeatMs: 500 };
const events = 200;
/** Everybody wants the same rows, which takes its time. */
const patience = { ...wait, timeout: 50_000 };

const rows = { left: 1, right: 2 } as const;
const { read, write } = rowsAt(rows);

/** Eight lanes, each with partitions of its own, on a database with the two rows. */
async function start(handler: HandlerDefinition<Tables>) {
  const bench = await Bench.open({ partitions: 16 });
  const instances: Instance[] = [];
  for (const instance of lanes) {
    instances.push(await bench.start([handler], { instance, leaseTimes }));
  }
  const database = instances[0]?.database as DatabaseEngine;
  const values = Object.entries(rows).map(([id, seq]) => ({ id, seq, key: "", n: 0 }));
  await database.transaction(async (tx) => {
    const db = tx.db as Kysely<Tables>;
    await db.insertInto("effects").values(values).execute();
  });
  await vi.waitFor(async () => {
    const owners = await database.read("select distinct owner from millrace_positions");
    expect(owners).toHaveLength(lanes.length);
  }, wait);
  return { bench, database };
}

/** Over many keys; the larger row when all of them are handled. */
async function handleAll({ bench, database }: Awaited<ReturnType<typeof start>>) {
  for (let n = 1; n <= events; n++) await bench.publish(`key ${n % 40}`, n);
  await vi.waitFor(async () => expect(await bench.isApplied(database)).toBe(true), patience);
  const [row] = await database.read<{ n: number }>("select max(n) as n from effects");
  return row?.n;
}

it("loses no update of handlers that read and write across keys", async () => {
  const runs = new Map<string, number>();
  const handler = on<typeof Counted, Tables>(Counted, async ({ id, data }, { db }) => {
    runs.set(id, (runs.get(id) ?? 0) + 1);
    const larger = Math.max(await read(db, "left"), await read(db, "right"));
    await write(db, data.n % 2 === 0 ? "left" : "right", larger + 1);
  });
  const started = await start(handler);
  await using _bench = started.bench;
  expect(await handleAll(started)).toBe(events);
  // Undone by others, alone, and the once that it takes to find out that the handler reads first.
  expect(Math.max(...runs.values())).toBeLessThanOrEqual(limits.conflictsMax + 2);
});

it("loses none where they look up in the cache what they change", async () => {
  const handler = on<typeof Counted, Tables>(Counted, async ({ data }, { db, cache }) => {
    const left = await cache.get("left", () => read(db, "left"));
    const right = await cache.get("right", () => read(db, "right"));
    const side = data.n % 2 === 0 ? "left" : "right";
    await write(db, side, Math.max(left, right) + 1);
    cache.touch(side);
  });
  const started = await start(handler);
  await using _bench = started.bench;
  expect(await handleAll(started)).toBe(events);
});
