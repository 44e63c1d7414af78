/**
 * Two lanes in the middle of their transactions on PostgreSQL, each held until the other one has
 * come to a certain place: what one of them has looked up in the cache is no ground for what it
 * writes while the other changes it; and what it has read is not cached where the other has changed
 * it meanwhile, so that no query is older than what was committed.
 */
import type { Kysely } from "kysely";
import { type HandlerDefinition, on, type Queries, query } from "millrace";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { z } from "zod";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { limits } from "../../src/lib/limits.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import {
  Bench,
  Counted,
  Followed,
  type Instance,
  ignoreFollowed,
  rowsAt,
  type Tables,
  useDatabases,
  wait,
} from "./bench.ts";

const rows = { x: 1, y: 2 } as const;
const { read, write } = rowsAt(rows);

const queries: Queries<Tables> = {
  number: query(
    { input: z.object({ row: z.enum(["x", "y"]) }), cacheKey: ({ row }) => row },
    ({ input, db }) => read(db as Kysely<Tables>, input.row),
  ),
};

describePostgres("two lanes on PostgreSQL", () => {
  let server: PostgresServer;
  let schemas = 0;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  /** Two instances, a key for each that only it handles, and the rows `x` and `y`. */
  async function start(handler: HandlerDefinition<Tables>) {
    const schema = `isolation_${++schemas}`;
    useDatabases(() => openPostgresDatabase({ url: server.url, schema }));
    const bench = await Bench.open();
    const lanes: Instance[] = [];
    for (const instance of ["one", "two"]) {
      lanes.push(await bench.start([handler, ignoreFollowed], { instance, queries }));
    }
    const [one, two] = lanes as [Instance, Instance];
    await one.database.transaction(async (tx) => {
      const db = tx.db as Kysely<Tables>;
      const values = Object.entries(rows).map(([id, seq]) => ({ id, seq, key: "", n: 0 }));
      await db.insertInto("effects").values(values).execute();
    });
    const owners = await vi.waitFor(async () => {
      const rows = await one.database.read<{ partition: number; owner: string }>(
        "select partition, owner from millrace_positions where owner is not null",
      );
      expect(new Set(rows.map(({ owner }) => owner)).size).toBe(2);
      return new Map(rows.map(({ partition, owner }) => [partition, owner]));
    }, wait);
    const keys = new Map<string, string>();
    for (let at = 0; keys.size < 2; at++) {
      const { partition } = await bench.publish(`key ${at}`, 0, Followed);
      keys.set(owners.get(partition) ?? "", `key ${at}`);
    }
    const key = (lane: string) => keys.get(lane) ?? "";
    return { bench, one, two, key };
  }

  it("rest nothing on what they look up in the cache while another changes it", async () => {
    const bothHaveLooked = Promise.withResolvers<void>();
    let looks = 0;
    const handler = on<typeof Counted, Tables>(Counted, async ({ data }, { db, cache }) => {
      const [from, to] = data.n === 1 ? (["x", "y"] as const) : (["y", "x"] as const);
      const before = await cache.get(from, () => read(db, from));
      looks += 1;
      if (looks === 2) bothHaveLooked.resolve();
      await bothHaveLooked.promise;
      await write(db, to, before + 1);
      cache.touch(to);
    });
    const { bench, one, two, key } = await start(handler);
    await using _bench = bench;
    for (const { worker } of [one, two]) {
      for (const row of Object.keys(rows)) await worker.query("number", `row=${row}`, []);
    }
    await bench.publish(key("one"), 1);
    await bench.publish(key("two"), 2);
    await vi.waitFor(async () => expect(await bench.isApplied(one.database)).toBe(true), wait);
    const numbers = [await read(reader(one), "x"), await read(reader(one), "y")];
    // One after the other, in whatever order.
    expect(numbers.toSorted()).toEqual([1, 2]);
  });

  it("wait for each other's turn for as long as a handler may take", async () => {
    const open = () => openPostgresDatabase({ url: server.url, schema: "turns" });
    const [one, two] = [await open(), await open()];
    const hasBegun = Promise.withResolvers<void>();
    const slow = one.transaction(async (tx) => {
      await tx.run("select 1");
      hasBegun.resolve();
      await systemClock.sleep(limits.busyTimeoutMs + 500);
    });
    await hasBegun.promise;
    const works = [{ isAlone: true }, { isSerializable: true }].map((options) =>
      two.transaction((tx) => tx.run("select 1 as n"), options),
    );
    expect(await Promise.all(works)).toEqual([[{ n: 1 }], [{ n: 1 }]]);
    await slow;
    await Promise.all([one.close(), two.close()]);
  });

  it("leave nothing in the cache that another has changed since they began", async () => {
    const isChanging = Promise.withResolvers<void>();
    const hasBegun = Promise.withResolvers<void>();
    const isChanged = Promise.withResolvers<void>();
    const handler = on<typeof Counted, Tables>(Counted, async ({ data }, { db, cache }) => {
      if (data.n === 1) {
        hasBegun.resolve();
        await isChanged.promise;
        await cache.get("x", () => read(db, "x"));
      } else {
        await write(db, "x", 1);
        cache.touch("x");
        isChanging.resolve();
        await hasBegun.promise;
      }
    });
    const { bench, one, two, key } = await start(handler);
    await using _bench = bench;
    const quick = await bench.publish(key("two"), 2);
    await isChanging.promise;
    const slow = await bench.publish(key("one"), 1);
    expect(await two.worker.standing(quick, 20_000)).toEqual({ state: "done" });
    isChanged.resolve();
    expect(await one.worker.standing(slow, 20_000)).toEqual({ state: "done" });
    expect(JSON.parse(await one.worker.query("number", "row=x", []))).toBe(1);
  });
});

const reader = ({ database }: Instance) => database.reader as Kysely<Tables>;
