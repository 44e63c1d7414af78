/**
 * A queue whose PostgreSQL server fails acknowledges nothing that it does not keep: writers that
 * send the same ids again until they have a receipt lose nothing and double nothing, through cut
 * connections, answers that are lost with their commit, and a server that is killed; a reader sees
 * all of it once, in one order, without a gap.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openPostgresQueue } from "../../src/engines/postgres/queue.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { isMillraceError } from "../../src/lib/errors.ts";
import type { Receipt } from "../../src/queue/engine.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { fromStart, readAll, requests } from "./support.ts";

const known = ["MR_RESULT_UNKNOWN", "MR_QUEUE_UNAVAILABLE"] as const;

describePostgres("a queue whose PostgreSQL server fails", () => {
  let server: PostgresServer;
  let proxy: TcpProxy;
  beforeAll(async () => {
    server = await PostgresServer.start();
    proxy = await TcpProxy.to(server.port);
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  it("keeps what it acknowledged, once", async () => {
    const url = server.url.replace(`${server.port}`, `${proxy.port}`);
    const open = () => openPostgresQueue({ url, schema: "failing", partitions: 4 });
    const engine = await open();
    const reader = engine.subscribe(fromStart());
    const unknown: string[] = [];
    const send = async (prefix: string): Promise<Receipt[]> => {
      for (;;) {
        try {
          return await engine.append(requests(prefix, 20));
        } catch (error) {
          if (!known.some((code) => isMillraceError(error, code))) throw error;
          unknown.push((error as { code: string }).code);
          await systemClock.sleep(20);
        }
      }
    };
    const receipts: Receipt[] = [];
    const faults = [
      () => proxy.cutAfterNext(Buffer.from("commit\0")),
      async () => proxy.cut(),
      async () => {
        await server.kill();
        await server.startAgain();
      },
      () => proxy.cutAfterNext(Buffer.from("commit\0")),
    ];
    for (const [round, fault] of faults.entries()) {
      const failing = fault();
      const calls = Array.from({ length: 5 }, (_, call) => send(`round-${round}-${call}`));
      receipts.push(...(await Promise.all(calls)).flat());
      await failing;
    }
    expect(unknown).toContain("MR_RESULT_UNKNOWN");
    expect(receipts).toHaveLength(400);
    const stored = await readAll(engine);
    expect(new Set(stored.map(({ event }) => event.id)).size).toBe(400);
    expect(stored).toHaveLength(400);
    const places = new Map(stored.map(({ event, position }) => [event.id, position]));
    for (const { id, position } of receipts) expect(places.get(id)).toBe(position);
    // A subscription goes on where it was, through all of that.
    const seen: string[] = [];
    while (seen.length < 400) {
      const { events } = await reader.next(100, 1_000);
      seen.push(...events.map(({ event }) => event.id));
    }
    expect(seen).toEqual(stored.map(({ event }) => event.id));
    await engine.close();
  });

  it("says by its receipts how durable they are", async () => {
    await using unsafe = await PostgresServer.start({ settings: { fsync: "off" } });
    const engine = await openPostgresQueue({ url: unsafe.url, schema: "unsafe", partitions: 4 });
    const [receipt] = await engine.append(requests("event", 1));
    expect(receipt?.durable).toBe("memory");
    expect(await engine.health()).toMatchObject({ status: "warn", durable: "memory" });
    await engine.close();
  });

  it("refuses what would be more than it may hold, and goes on when there is room", async () => {
    const options = { url: server.url, schema: "small", partitions: 4, storedBytesMax: 4_000 };
    const engine = await openPostgresQueue(options);
    await engine.append(requests("first", 20));
    await expect(engine.append(requests("second", 1))).rejects.toMatchObject({
      code: "MR_QUEUE_BACKLOG",
    });
    for (const [partition, end] of await engine.ends()) await engine.trim(partition, end);
    expect(await engine.append(requests("second", 1))).toHaveLength(1);
    await engine.close();
  });
});
