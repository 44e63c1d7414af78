/**
 * A worker's process handles several batches at a time on PostgreSQL: its lanes share partitions
 * and what they know of their progress, keep the order of each key, and need less time than one
 * would, which is told and not held against a machine's load.
 */
import { on } from "millrace";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { Lanes } from "../../src/runtime/boxes/lanes.ts";
import { Progress } from "../../src/worker/progress.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { Bench, Counted, type Instance, type Tables, useDatabases, wait } from "../worker/bench.ts";

const store = on<typeof Counted, Tables>(Counted, async (event, { db }) => {
  await db
    .insertInto("effects")
    .values({ id: event.id, ...event.data })
    .execute();
});

describePostgres("lanes", () => {
  let server: PostgresServer;
  let schemas = 0;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function drain(count: number, lanes: number): Promise<number> {
    schemas += 1;
    // As far away as a server in the same building.
    await using proxy = await TcpProxy.to(server.port, { delayMs: 1 });
    const [url, schema] = [
      server.url.replace(`${server.port}`, `${proxy.port}`),
      `lanes_${schemas}`,
    ];
    useDatabases(() => openPostgresDatabase({ url, schema }));
    await using bench = await Bench.open();
    const progress = new Progress(await bench.openDatabase(""), systemClock);
    const instances: Instance[] = [];
    for (let lane = 0; lane < lanes; lane++) {
      instances.push(await bench.start([store], { instance: `counter ${lane}`, progress }));
    }
    const [first] = instances;
    if (first === undefined) throw new Error("no lane");
    const worker = new Lanes(instances.map((instance) => instance.worker));
    await vi.waitFor(async () => {
      expect((await worker.progress()).instances).toHaveLength(lanes);
    }, wait);
    const begun = systemClock.monotonic();
    for (let n = 0; n < count; n++) await bench.publish(`key ${n % 40}`, n);
    for (const [partition, position] of await bench.engine.ends()) {
      expect(await worker.standing({ partition, position }, 60_000)).toEqual({ state: "done" });
    }
    const tookMs = systemClock.monotonic() - begun;
    const effects = await bench.effects(first);
    expect(effects).toHaveLength(count);
    for (const line of Map.groupBy(effects, ({ key }) => key).values()) {
      expect(line.map(({ n }) => n)).toEqual(line.map(({ n }) => n).sort((a, b) => a - b));
    }
    return tookMs;
  }

  it("gets through a backlog with several lanes as with one, in order, once", async () => {
    const count = Number(process.env.LANES_COUNT ?? 1_000);
    const one = Math.round(await drain(count, 1));
    const four = Math.round(await drain(count, 4));
    console.log(`${count} events took ${one} ms with one lane, ${four} ms with four`);
  });
});
