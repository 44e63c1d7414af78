/**
 * The rules of delivery hold on PostgreSQL as they do on SQLite: the very same tests, with the
 * workers' databases on a real server. MILLRACE_RUNS=1 adds those about time, which take longer.
 */
import { basename } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { useDatabases } from "./bench.ts";

describePostgres("a worker on PostgreSQL", async () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());
  useDatabases((folder, file) =>
    openPostgresDatabase({ url: server.url, schema: `${basename(folder)} ${file}` }),
  );
  await import("./worker.test.ts");
  await import("./lost-updates.test.ts");
  await import("./delivery.test.ts");
  await import("./suspicion.test.ts");
  await import("./recovery.test.ts");
  await import("./dead-letters.test.ts");
  await import("./steering.test.ts");
  await import("./audit.test.ts");
  await import("./batch-handlers.test.ts");
  if (process.env.MILLRACE_RUNS === undefined) return;
  await import("./scheduling.test.ts");
  await import("./schedules.test.ts");
});
