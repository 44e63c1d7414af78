/**
 * Where statements travel to a server, handlers of different keys run beside each other within one
 * transaction, and nothing can tell: a handler that reads before it writes (from the database or
 * the cache, whatever it makes of a refusal) finds what those before it wrote; those of one key
 * never overlap; a failing one costs only itself. On a real PostgreSQL server, one instance, so
 * that a batch of all partitions shares one transaction.
 */
import { basename } from "node:path";
import { type HandlerDefinition, on } from "millrace";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import type { Handler } from "../../src/system/handler.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { Bench, Counted, ignoreFollowed, type Tables, useDatabases, wait } from "./bench.ts";

const eventCount = 100;

type Handle = Handler<Tables, typeof Counted, never, undefined>;

/** Publishes events of many keys and has them handled; what the handlers wrote, in its order. */
async function handled(bench: Bench, handle: Handle) {
  for (let n = 0; n < eventCount; n++) await bench.publish(`key ${n % 25}`, n);
  const handler: HandlerDefinition<Tables> = on<typeof Counted, Tables>(Counted, handle);
  const instance = await bench.start([handler, ignoreFollowed]);
  await vi.waitFor(
    async () => expect(await bench.effects(instance)).toHaveLength(eventCount),
    wait,
  );
  return { instance, rows: await bench.effects(instance) };
}

describePostgres("handlers side by side on PostgreSQL", async () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
    useDatabases((folder, file) =>
      openPostgresDatabase({ url: server.url, schema: `${basename(folder)} ${file}` }),
    );
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("several are under way at a time, of one key one, each once", async () => {
    await using bench = await Bench.open();
    const underWay = new Map<string, number>();
    let most = 0;
    const { rows } = await handled(bench, async ({ id, data }, { db }) => {
      underWay.set(data.key, (underWay.get(data.key) ?? 0) + 1);
      expect(underWay.get(data.key)).toBe(1);
      most = Math.max(most, underWay.size);
      await db
        .insertInto("effects")
        .values({ id, ...data })
        .execute();
      underWay.delete(data.key);
    });
    expect(most).toBeGreaterThan(1);
    expect(new Set(rows.map(({ n }) => n)).size).toBe(eventCount);
    for (let key = 0; key < 25; key++) {
      const ofKey = rows.filter((row) => row.key === `key ${key}`).map(({ n }) => n);
      expect(ofKey).toEqual(ofKey.toSorted((one, other) => one - other));
    }
  });

  it("one that reads before it writes loses nothing that others wrote", async () => {
    await using bench = await Bench.open();
    const { rows } = await handled(bench, async ({ id, data }, { db }) => {
      const { count } = await db
        .selectFrom("effects")
        .select(({ fn }) => fn.countAll<string>().as("count"))
        .executeTakeFirstOrThrow();
      await db
        .insertInto("effects")
        .values({ id, key: data.key, n: Number(count) })
        .execute();
    });
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: eventCount }, (_, n) => n));
  });

  it("nor does one that makes little of being refused", async () => {
    await using bench = await Bench.open();
    const { rows } = await handled(bench, async ({ id, data }, { db }) => {
      const found = await db.selectFrom("effects").select("n").execute();
      const row = { id, key: data.key, n: found.length };
      await db
        .insertInto("effects")
        .values(row)
        .execute()
        .catch(() => {});
    });
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: eventCount }, (_, n) => n));
  });

  it("nor does one that asks the cache", async () => {
    await using bench = await Bench.open();
    let reading = 0;
    const { rows } = await handled(bench, async ({ id, data }, { db, cache }) => {
      reading += 1;
      const known = await cache.get("how many", async () => {
        const found = await db.selectFrom("effects").select("n").execute();
        return found.length;
      });
      await db.insertInto("effects").values({ id, key: data.key, n: known }).execute();
      cache.touch("how many");
    });
    expect(reading).toBeGreaterThanOrEqual(eventCount);
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: eventCount }, (_, n) => n));
  });

  it("one that fails costs only itself", async () => {
    await using bench = await Bench.open();
    const failing: Handle = async ({ id, data }, { db }) => {
      await db
        .insertInto("effects")
        .values({ id, ...data })
        .execute();
      if (data.n === 13) throw new Error("an unlucky one");
    };
    for (let n = 0; n < eventCount; n++) await bench.publish(`key ${n}`, n);
    const handler = on<typeof Counted, Tables>(Counted, { attempts: 1 }, failing);
    const instance = await bench.start([handler, ignoreFollowed]);
    await vi.waitFor(
      async () => expect(await bench.effects(instance)).toHaveLength(eventCount - 1),
      wait,
    );
    const letters = await instance.database.read<{ key: string; attempts: number }>(
      "select key, attempts from millrace_dead_letters",
    );
    expect(letters).toEqual([{ key: "key 13", attempts: 1 }]);
  });
});
