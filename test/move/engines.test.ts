/**
 * One queue goes from engine to engine, on real servers: SQLite, NATS, PostgreSQL and SQLite.
 * Each has the same events in the same order, tells repeats and reused keys apart as the first one
 * did, and knows how far a worker is.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { openPostgresQueue } from "../../src/engines/postgres/queue.ts";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { copyQueue, type Positions } from "../../src/move/copy-queue.ts";
import type { QueueEngine } from "../../src/queue/engine.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { record, storedIn } from "./support.ts";

const partitions = 4;
const count = 1_000;
const ids = Array.from({ length: count }, (_, n) => `event ${n} 💧`);
const requestOf = (n: number) => ({
  partition: n % partitions,
  event: { ...record(ids[n] ?? ""), attributes: n % 3 === 0 ? { subject: `s ${n}` } : {} },
  ...(n % 2 === 0 ? { fingerprint: `print ${n}` } : {}),
});
/** Events up to here were trimmed, and up to there a worker has come. */
const [trimmed, applied] = [200, 601];

const missing = natsMissing();

describePostgres("moving a queue from engine to engine", () => {
  describe.skipIf(missing)(missing ?? "SQLite, NATS, PostgreSQL", () => {
    const folder = mkdtempSync(join(tmpdir(), "millrace-move-"));
    let nats: NatsCluster;
    let postgres: PostgresServer;
    const opened: QueueEngine[] = [];

    beforeAll(async () => {
      [nats, postgres] = await Promise.all([
        NatsCluster.start({ servers: 1 }),
        PostgresServer.start(),
      ]);
    });
    afterAll(async () => {
      for (const queue of opened) await queue.close();
      await Promise.all([nats[Symbol.asyncDispose](), postgres[Symbol.asyncDispose]()]);
      rmSync(folder, { recursive: true, force: true });
    });

    const sqlite = (name: string) =>
      openSqliteQueue({ folder: join(folder, name), partitions, ballastBytes: 0 });
    const engines = {
      first: () => sqlite("first"),
      nats: () => openNatsQueue({ url: `${nats.url}&bytes=200000000`, partitions }),
      postgres: () => openPostgresQueue({ url: postgres.url, schema: "queue", partitions }),
      last: () => sqlite("last"),
    };

    it("keeps events, ids and positions", { timeout: 120_000 }, async () => {
      const first = await engines.first();
      opened.push(first);
      for (let n = 0; n < count; n += 500) {
        await first.append(Array.from({ length: 500 }, (_, at) => requestOf(n + at)));
      }
      for (let n = 0; n < trimmed; n++) {
        const [found] = await first.find(ids[n] ?? "");
        if (n >= trimmed - partitions) await first.trim(n % partitions, found?.position ?? 0);
      }
      let at: Positions = await placesOf(first);
      let from = first;
      for (const open of [engines.nats, engines.postgres, engines.last]) {
        const to = await open();
        opened.push(to);
        const copied = await copyQueue({
          ...{ from, to },
          applied: new Map([["worker", at]]),
          waiting: (async function* () {})(),
          signal: new AbortController().signal,
          onProgress: () => {},
        });
        expect(copied).toMatchObject({ events: count - trimmed, repeats: 0 });
        // Only hashes of the ids come from NATS, of events that are gone.
        expect(copied.ids).toBe(from.trimmedIds === undefined ? 0 : from === first ? trimmed : 0);
        at = copied.applied.get("worker") ?? new Map();
        expect(at).toEqual(await placesOf(to));
        expect(await linesOf(to)).toEqual(await linesOf(first));
        const again = await to.append([requestOf(count - 1), requestOf(count - 2)]);
        expect(again.map(({ duplicate, fingerprint }) => [duplicate, fingerprint])).toEqual([
          [true, undefined],
          [true, `print ${count - 2}`],
        ]);
        from = to;
      }
      expect(await opened[1]?.find(ids[0] ?? "")).toMatchObject([{ fingerprint: "print 0" }]);
    });
  });
});

/** Where the last events stand that the worker has handled. */
async function placesOf(queue: QueueEngine): Promise<Positions> {
  const places = new Map<number, number>();
  for (let n = applied - partitions; n < applied; n++) {
    const [found] = await queue.find(ids[n] ?? "");
    places.set(n % partitions, found?.position ?? 0);
  }
  return places;
}

const linesOf = async (queue: QueueEngine) =>
  Map.groupBy(
    (await storedIn(queue)).map(({ partition, event }) => ({ partition, event })),
    ({ partition }) => partition,
  );
