/**
 * Any interleaving keeps order per key and effects once on PostgreSQL as well: the very same
 * property. The server's clock is the one that the test turns: where the bookkeeping asks for the
 * time, the statement says it. A turn lasts until all that was asked of the server is answered.
 */
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll } from "vitest";
import type { DatabaseEngine, Transaction } from "../../src/database/engine.ts";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { useDatabases } from "./bench.ts";
import { waitForAnswers } from "./delivery-run.ts";
import { replaced } from "./mortal.ts";

let asked = 0;

/** Counts what is under way. */
async function counted<Result>(work: Promise<Result>): Promise<Result> {
  asked += 1;
  try {
    return await work;
  } finally {
    asked -= 1;
  }
}

function turnedByHand(engine: DatabaseEngine, clock: Clock): DatabaseEngine {
  const { dialect } = engine;
  return replaced(engine, {
    get dialect() {
      return { ...dialect, nowMs: `${clock.now()}::bigint` };
    },
    transaction: (work, options) => counted(engine.transaction(work, options)),
    beside: <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> =>
      counted<Result>(engine.beside?.(work) ?? Promise.reject(new Error("there is none"))),
    read: (sql, parameters) => counted(engine.read(sql, parameters)),
    migrate: (set, migrations) => counted(engine.migrate(set, migrations)),
    close: () => counted(engine.close()),
  });
}

describePostgres("delivery on PostgreSQL", async () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start({ settings: { fsync: "off" } });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  useDatabases(async (folder, _, clock) => {
    const opening = openPostgresDatabase({ url: server.url, schema: basename(folder), clock });
    return turnedByHand(await counted(opening), clock);
  });
  waitForAnswers(async () => {
    for (let quiet = 0; quiet < 4; quiet = asked === 0 ? quiet + 1 : 0) await setImmediate();
  });
  await import("./delivery.property.test.ts");
});
