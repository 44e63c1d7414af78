/**
 * A PostgreSQL server that fails under a worker is a broken dependency: whatever happens to it, or
 * to the connections, and at whatever moment, every effect is there once and in order, no attempt
 * is counted, and the worker goes on by itself. Real servers, killed, stopped, paused and
 * restarted; and a proxy that breaks connections off, or does so the moment that a commit passes.
 */

import { sql } from "kysely";
import { on } from "millrace";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { Bench, Counted, type Instance, store, type Tables, useDatabases, wait } from "./bench.ts";

const patience = { timeout: 60_000, interval: 20 };

describePostgres("a worker whose PostgreSQL server fails", () => {
  let server: PostgresServer;
  let proxy: TcpProxy;
  let schemas = 0;
  beforeAll(async () => {
    server = await PostgresServer.start();
    proxy = await TcpProxy.to(server.port);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** A bench whose worker reaches the server through the proxy, and whose tests do so directly. */
  async function open(): Promise<{ readonly bench: Bench; readonly schema: string }> {
    schemas += 1;
    const schema = `failures_${schemas}`;
    const url = server.url.replace(`${server.port}`, `${proxy.port}`);
    useDatabases(() => openPostgresDatabase({ url, schema }));
    return { bench: await Bench.open(), schema };
  }

  const rows = <Row>(statement: string) => server.query<Row>(statement);

  async function expectWhole(instance: Instance, schema: string, published: number): Promise<void> {
    await vi.waitFor(async () => {
      const [row] = await rows<{ count: string }>(`select count(*) from ${schema}.effects`);
      expect(Number(row?.count)).toBe(published);
    }, patience);
    const effects = await rows<{ key: string; n: number }>(
      `select key, n from ${schema}.effects order by seq`,
    );
    expect(new Set(effects.map(({ n }) => n)).size).toBe(published);
    for (const line of Map.groupBy(effects, ({ key }) => key).values()) {
      expect(line.map(({ n }) => n)).toEqual(line.map(({ n }) => n).toSorted((a, b) => a - b));
    }
    expect(await rows(`select 1 from ${schema}.millrace_dead_letters`)).toEqual([]);
    expect(await rows(`select 1 from ${schema}.millrace_parked`)).toEqual([]);
    expect(instance.fatal).toEqual([]);
    await vi.waitFor(() => expect(instance.worker.waitingFor).toBeUndefined(), patience);
  }

  const faults: readonly [string, () => Promise<void>][] = [
    ["connections cut", async () => proxy.cut()],
    [
      "killed and restarted",
      async () => {
        await server.kill();
        await server.startAgain();
      },
    ],
    [
      "restarted in order",
      async () => {
        await server.stop("fast");
        await server.startAgain();
      },
    ],
    [
      "paused",
      async () => {
        await server.pause();
        await systemClock.sleep(200);
        await server.resume();
      },
    ],
    [
      "unreachable for a while",
      async () => {
        proxy.close();
        await systemClock.sleep(200);
        proxy.open();
      },
    ],
  ];

  it.each(faults)("%s: nothing lost, doubled, out of order or given up", async (_, fault) => {
    const { bench, schema } = await open();
    await using _bench = bench;
    let isWithin = Promise.withResolvers<void>();
    const slow = on<typeof Counted, Tables>(Counted, async (event, { db }) => {
      await db
        .insertInto("effects")
        .values({ id: event.id, ...event.data })
        .execute();
      isWithin.resolve();
    });
    const instance = await bench.start([slow]);
    let n = 0;
    for (let round = 0; round < 3; round++) {
      isWithin = Promise.withResolvers<void>();
      for (let at = 0; at < 20; at++) await bench.publish(`key ${at % 6}`, n++);
      // Between a handler's write and the commit.
      await isWithin.promise;
      await fault();
    }
    await expectWhole(instance, schema, n);
  });

  it("goes on where nobody knows whether a commit happened", async () => {
    const { bench, schema } = await open();
    await using _bench = bench;
    const instance = await bench.start([store]);
    let n = 0;
    for (let round = 0; round < 10; round++) {
      const cut = proxy.cutAfterNext(Buffer.from("commit\0"));
      for (let at = 0; at < 5; at++) await bench.publish(`key ${at}`, n++);
      await cut;
    }
    await expectWhole(instance, schema, n);
  });

  it("ends a handler's statement that does not end by itself, counts it, and goes on", async () => {
    const { bench, schema } = await open();
    await using _bench = bench;
    const instance = await bench.start([
      on<typeof Counted, Tables, never, undefined>(
        Counted,
        { attempts: 1, timeoutMs: 300 },
        async (event, { db }) => {
          if (event.data.n === 1) await sql`select pg_sleep(3600)`.execute(db);
          await db
            .insertInto("effects")
            .values({ id: event.id, ...event.data })
            .execute();
        },
      ),
    ]);
    const hanging = await bench.publish("a", 1);
    const next = await bench.publish("b", 2);
    expect(await instance.worker.standing(hanging, 30_000)).toMatchObject({ state: "dead" });
    expect(await instance.worker.standing(next, 30_000)).toEqual({ state: "done" });
    await vi.waitFor(async () => {
      const sleeping = "select 1 from pg_stat_activity where query like 'select pg_sleep(3600)%'";
      expect(await rows(sleeping)).toEqual([]);
    }, wait);
    expect(await rows(`select n from ${schema}.effects`)).toEqual([{ n: 2 }]);
  });

  it("lets a handler catch a failing statement and go on, among others as alone", async () => {
    const { bench, schema } = await open();
    await using _bench = bench;
    const instance = await bench.start([
      on<typeof Counted, Tables>(Counted, async (event, { db }) => {
        const values = { id: event.id, ...event.data };
        await db
          .insertInto("effects")
          .values({ ...values, seq: 1 })
          .execute()
          .catch(async () => {
            if (event.data.n % 2 === 0)
              await db
                .insertInto("effects")
                .values({ ...values, seq: event.data.n + 100 })
                .execute();
          });
      }),
    ]);
    const receipts = await Promise.all(
      Array.from({ length: 8 }, (_, n) => bench.publish(`key ${n}`, n)),
    );
    for (const receipt of receipts) {
      expect(await instance.worker.standing(receipt, 30_000)).toEqual({ state: "done" });
    }
    const found = await rows<{ seq: number }>(`select seq from ${schema}.effects`);
    // One was the first; of the others, those with an even number found another place.
    expect(found.filter(({ seq }) => seq === 1)).toHaveLength(1);
    expect(found.length).toBeGreaterThanOrEqual(4);
    expect(instance.fatal).toEqual([]);
  });

  it("keeps its partitions while a handler takes longer than a lease", async () => {
    const { bench } = await open();
    await using _bench = bench;
    let runs = 0;
    const slow = on<typeof Counted, Tables>(Counted, async () => {
      runs += 1;
      await systemClock.sleep(4_500);
    });
    const one = await bench.start([slow], { instance: "counter 1" });
    const receipt = await bench.publish("a", 1);
    await vi.waitFor(() => expect(runs).toBe(1), wait);
    const two = await bench.start([slow], { instance: "counter 2" });
    expect(await one.worker.standing(receipt, 30_000)).toEqual({ state: "done" });
    expect(runs).toBe(1);
    expect([...one.fatal, ...two.fatal]).toEqual([]);
  });

  it("tells a lost commit from one that did not begin", async () => {
    const url = server.url.replace(`${server.port}`, `${proxy.port}`);
    const database = await openPostgresDatabase({ url, schema: "codes" });
    await database.transaction((tx) => tx.run("create table t (n integer)"));
    const early = await database
      .transaction(async (tx) => {
        await tx.run("insert into t values (1)");
        proxy.cut();
        await tx.run("insert into t values (2)");
      })
      .catch((error: unknown) => error);
    expect(isMillraceError(early, "MR_DATABASE_UNAVAILABLE")).toBe(true);
    const cut = proxy.cutAfterNext(Buffer.from("commit\0"));
    const late = await database
      .transaction((tx) => tx.run("insert into t values (3)"))
      .catch((error: unknown) => error);
    await cut;
    expect(isMillraceError(late, "MR_RESULT_UNKNOWN")).toBe(true);
    await vi.waitFor(
      async () => expect(await database.read("select n from t")).toEqual([{ n: 3 }]),
      wait,
    );
    await database.close();
  });
});
