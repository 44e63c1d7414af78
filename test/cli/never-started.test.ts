/**
 * What is asked of workers that have a database and have never come to use it, since their first
 * start broke off, is answered: there is nothing yet. On files and on a PostgreSQL server.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { PostgresServer as Places } from "../../src/engines/postgres/server.ts";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { openDataFolder } from "../../src/runtime/data-folder.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { run } from "./command-line.ts";

const commands: readonly [readonly string[], string][] = [
  [["audit"], "Nobody has changed anything by hand.\n"],
  [["dead-letters", "list"], ""],
  [["schedules"], ""],
];

async function expectAnswers(folder: string, database: string): Promise<void> {
  const env = { MILLRACE_DATA: folder, MILLRACE_DATABASE: database };
  for (const [command, told] of commands) {
    const ended = await run(command, { env });
    expect({ command, ...ended }).toMatchObject({ command, code: 0 });
    expect(ended.stdout + ended.stderr).toContain(told);
    expect(ended.stderr).not.toMatch(/MR_|no such table|does not exist/);
  }
  const named = await run(["audit", "--worker", "books"], { env });
  expect(named).toMatchObject({ code: 2, stderr: expect.stringContaining("MR_WORKER_UNKNOWN") });
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const above = await mkdtemp(join(tmpdir(), "never-started-"));
  const folder = join(above, "data");
  const data = await openDataFolder(folder);
  const file = join(data.worker("books"), "database.db");
  await mkdir(dirname(file), { recursive: true });
  await (await openSqliteDatabase({ file })).close();
  await work(folder);
  await rm(above, { recursive: true });
}

it("says on files that there is nothing yet", () =>
  withFolder((folder) => expectAnswers(folder, "sqlite:")));

describePostgres("on a server", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("says that there is nothing yet", () =>
    withFolder(async (folder) => {
      const places = new Places(server.url);
      await places.register("books");
      await (await places.open(await places.inUse("books"))).close();
      await places.close();
      await expectAnswers(folder, server.url);
    }));
});
