/**
 * The inbox is swept to its very end, however a database sorts its texts: ids that are old enough
 * go, whatever else comes behind them, and ids that are not stay.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { openPostgresDatabase } from "../../src/engines/postgres/index.ts";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { WorkerStore } from "../../src/worker/store.ts";
import { prepareBookkeeping } from "../../src/worker/tables.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";

const count = 25;

/** Rounds of ten ids, over twenty that are old and five that are not. */
async function sweeps(database: DatabaseEngine): Promise<void> {
  await prepareBookkeeping(database);
  const store = new WorkerStore(database);
  await database.transaction(async (tx) => {
    for (let n = 0; n < count; n++) {
      const row = [`id-${String(n).padStart(2, "0")}`, "/test", n % 5 === 4 ? 2_000 : 1];
      await tx.run("insert into millrace_inbox (id, source, handled_at) values ($1, $2, $3)", row);
    }
  });
  for (let round = 0; round < 4; round++) {
    await database.transaction((tx) => store.sweepInbox(tx, 10, 1_000));
  }
  const left = await database.read<{ id: string }>("select id from millrace_inbox order by id");
  expect(left.map(({ id }) => id)).toEqual(["id-04", "id-09", "id-14", "id-19", "id-24"]);
}

it("sweeps the inbox to its end on SQLite", async () => {
  const folder = await mkdtemp(join(tmpdir(), "mr-sweep-"));
  const database = await openSqliteDatabase({ file: join(folder, "database.db") });
  try {
    await sweeps(database);
  } finally {
    await database.close();
    await rm(folder, { recursive: true });
  }
});

describePostgres("on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("sweeps the inbox to its end where texts are sorted as in English", async () => {
    await server.query(
      "create database english template template0 locale_provider icu icu_locale 'en-US'",
    );
    const url = server.url.replace(/\/postgres$/, "/english");
    const database = await openPostgresDatabase({ url, schema: "sweep" });
    try {
      await sweeps(database);
    } finally {
      await database.close();
    }
  });
});
