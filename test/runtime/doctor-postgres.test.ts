/**
 * What `millrace doctor` says of a PostgreSQL server: of a real one as it is installed, of one that
 * nobody can reach, and each line that speaks against one, with its remedy.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectServer, type ServerFacts } from "../../src/engines/postgres/inspect.ts";
import { parseConfig } from "../../src/runtime/config.ts";
import { checkPostgres, findingsOf } from "../../src/runtime/doctor/postgres.ts";
import { freePort } from "../support/free-port.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";

const good: ServerFacts = {
  ...{ version: 150018, versionText: "15.18", isStandby: false, fsync: true, fullPageWrites: true },
  ...{ synchronousCommit: "on", hasChecksums: true, isSuperuser: false, mayCreateSchemas: true },
  ...{ hasTls: true, connectionsFree: 100, clockAheadMs: 3, roundTripMs: 0.4 },
};

describe("the findings", () => {
  it("are one line for a server with which all is well", () => {
    expect(findingsOf(good, "db.example")).toEqual([
      { what: "PostgreSQL", status: "pass", detail: "version 15.18, 0.40 ms away" },
    ]);
  });

  it.each<[Partial<ServerFacts>, "warn" | "fail", RegExp]>([
    [{ version: 120009, versionText: "12.9" }, "fail", /12\.9 is too old/],
    [{ isStandby: true }, "fail", /standby/],
    [{ fsync: false }, "fail", /fsync is off/],
    [{ fullPageWrites: false }, "fail", /full_page_writes is off/],
    [{ synchronousCommit: "off" }, "warn", /synchronous_commit is off/],
    [{ hasChecksums: false }, "warn", /checksums/],
    [{ mayCreateSchemas: false }, "fail", /may not create schemas/],
    [{ isSuperuser: true }, "warn", /superuser/],
    [{ hasTls: false }, "warn", /not encrypted/],
    [{ connectionsFree: 3 }, "warn", /only 3 connections/],
    [{ clockAheadMs: -60_000 }, "warn", /-60 s off/],
  ])("%j has a line of its own, with a remedy", (change, status, detail) => {
    const [, found, ...others] = findingsOf({ ...good, ...change }, "db.example");
    expect(found).toMatchObject({ status, detail: expect.stringMatching(detail) });
    expect(found?.remedy).toMatch(/\S/);
    expect(others).toEqual([]);
  });

  it("warn of a server that is far away", () => {
    const [found] = findingsOf({ ...good, roundTripMs: 12 }, "db.example");
    expect(found).toMatchObject({ status: "warn", remedy: expect.stringMatching(/near/) });
  });
});

describePostgres("a real server", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start({ settings: { synchronous_commit: "off" } });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("tells what it is", async () => {
    const facts = await inspectServer(server.url);
    expect(facts).toMatchObject({ fsync: true, isStandby: false, synchronousCommit: "off" });
    expect(facts.version).toBeGreaterThan(130_000);
    expect(Math.abs(facts.clockAheadMs)).toBeLessThan(5_000);
  });

  it("is looked at once, though two settings name it; one that is gone has a remedy", async () => {
    const both = { MILLRACE_DATABASE: server.url, MILLRACE_QUEUE: server.url };
    const found = await checkPostgres(parseConfig({}, both).config);
    expect(found.filter(({ detail }) => detail.startsWith("version"))).toHaveLength(1);
    const gone = `postgres://someone:secret@127.0.0.1:${await freePort()}/nowhere`;
    const [refused] = await checkPostgres(parseConfig({}, { MILLRACE_QUEUE: gone }).config);
    expect(refused).toMatchObject({ status: "fail", remedy: expect.stringMatching(/address/) });
    expect(refused?.detail).not.toContain("secret");
  });
});
