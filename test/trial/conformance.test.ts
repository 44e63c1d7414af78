/**
 * `millrace conformance` on real servers: an application that does the same everywhere conforms,
 * and one that does something else on an engine is found, with the row that shows it. What follows
 * from the clock, from chance or from the application itself is told, and blames no engine. Nothing
 * of it is left on the servers, and what others have there stays.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { createClient } from "@redis/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConformanceReport } from "../../src/trial/conformance.ts";
import { Command, run } from "../cli/command-line.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { RedisServer, withoutRedis } from "../support/redis-server.ts";

const root = resolve(import.meta.dirname, "../..");
const social = join(root, "examples/social/app.ts");
const odd = join(root, "test/trial/odd-app.ts");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "conformance-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const conformance = (...args: string[]) => run(["conformance", ...args], { cwd: folder });
const without = natsMissing() ?? withoutRedis;

describePostgres("on servers", () => {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await PostgresServer.start();
  }, 60_000);
  afterAll(() => postgres?.[Symbol.asyncDispose]());

  const schemas = async () => {
    const rows = await postgres.query<{ name: string }>(
      "select nspname as name from pg_catalog.pg_namespace where nspname like 'millrace%'",
    );
    return rows.map(({ name }) => name);
  };

  it.skipIf(without !== undefined)(
    `an application conforms, and leaves nothing behind (${without ?? ""})`,
    { timeout: 300_000 },
    async () => {
      await using nats = await NatsCluster.start({ servers: 3 });
      const redis = await RedisServer.start();
      const client = createClient({ url: redis.url });
      await client.connect();
      try {
        await client.set("{millrace:social:timelines}:mine", "1");
        await postgres.query("create schema millrace_mine");
        const engines = [
          ["--queue", `${nats.url}&monitor=${nats.monitorPorts}`],
          ["--database", postgres.url],
          ["--cache", redis.url],
        ].flat();
        const ended = await conformance(social, ...engines, "--each", "2", "--json");
        const report: ConformanceReport = JSON.parse(ended.stdout);
        expect(report.checks.filter(({ isSame }) => !isSame)).toEqual([]);
        expect(ended.code).toBe(0);
        expect(report).toMatchObject({ system: "social", verdict: "conforms", keys: 4 });
        expect(report.types).toHaveLength(5);
        expect(report.warnings).toEqual([]);
        const names = report.checks.map(({ way, name }) => `${way}: ${name}`);
        expect(names).toEqual([...checksOf("one by one", true), ...checksOf("all at once", false)]);
        expect(ended.stderr).toMatch(/the stream millrace-trial-[0-9a-f]{12}, the schemas/);

        expect(await schemas()).toEqual(["millrace_mine"]);
        expect(await client.keys("*")).toEqual(["{millrace:social:timelines}:mine"]);
        expect(await streamsOf(nats)).toEqual([]);
      } finally {
        client.destroy();
        await redis[Symbol.asyncDispose]();
      }
    },
  );

  it("what an application does otherwise there is found", { timeout: 300_000 }, async () => {
    const events = join(folder, "events.ndjson");
    const lines = [1, 2, 13, 3].flatMap((n) =>
      ["a", "b"].map((shelf) => JSON.stringify({ type: "thing.added", data: { shelf, n } })),
    );
    await writeFile(events, `${lines.join("\n")}\n`);
    const before = await schemas();
    const { code, stdout, stderr } = await conformance(
      odd,
      "--database",
      postgres.url,
      "--events",
      events,
    );
    expect(code).toBe(1);
    for (const way of ["one by one", "all at once"]) {
      expect(stdout).toContain(`${way}, effects: shelves.shelves: only chosen: shelf "b", total 6`);
      expect(stdout).toContain(
        `${way}, effects: shelves.shelves: only embedded: shelf "b", total 3`,
      );
    }
    expect(stdout).toContain("answers: shelves.total?shelf=b: only chosen: total 6");
    expect(stdout).toMatch(/✗ effects /);
    expect(stdout).toMatch(/✓ dead letters +2$/m);
    expect(stdout).toMatch(/✓ handled once +things 6, shelves 6;/);
    for (const column of ["at", "luck"]) {
      expect(stdout).toContain(`! not compared: things.things: ${column}, which differs`);
    }
    expect(stdout).toContain("! out of date in the cache everywhere: shelves.total?shelf=a");
    expect(stdout.trimEnd()).toMatch(/DIFFERS: 3 checks of 13$/);
    expect(await schemas()).toEqual(before);
    const [, log = ""] = /The logs of the trials: (\S+)/.exec(stderr) ?? [];
    expect(existsSync(log)).toBe(true);
    await rm(dirname(log), { recursive: true });
  });
});

const checksOf = (way: string, hasAnswers: boolean): string[] =>
  [
    ...["handled once", "order per key", "events", "effects", "dead letters"],
    ...(hasAnswers ? ["answers"] : []),
    "cache",
  ].map((name) => `${way}: ${name}`);

async function streamsOf(nats: NatsCluster): Promise<string[]> {
  const connection = await connect({ servers: nats.hosts });
  try {
    const jsm = await jetstreamManager(connection);
    return (await jsm.streams.list().next()).map(({ config }) => config.name);
  } finally {
    await connection.close();
  }
}

it.skipIf(withoutRedis !== undefined)(
  `Ctrl-C ends it, and what it has begun (${withoutRedis ?? ""})`,
  { timeout: 120_000 },
  async () => {
    const redis = await RedisServer.start();
    await using command = new Command(["conformance", social, "--cache", redis.url], {
      cwd: folder,
    });
    try {
      await command.prints(/one by one, embedded$/m);
      const ended = await command.stop("SIGINT");
      expect(ended).toMatchObject({ code: 130, stdout: "" });
      const [, place = ""] = /events for social, in (\S+)/.exec(ended.stderr) ?? [];
      expect(place).toContain("millrace-trial-");
      expect(existsSync(place)).toBe(false);
    } finally {
      await redis[Symbol.asyncDispose]();
    }
  },
);

describe("what is refused, before anything is started", () => {
  const file = async (name: string, ...lines: string[]) => {
    const path = join(folder, name);
    await writeFile(path, lines.join("\n"));
    return path;
  };

  it.each([
    [[], "nothing to compare"],
    [["--queue", "sqlite:"], "--queue is"],
    [["--database", "memory:"], "--database is"],
    [["--cache", "memory:"], "--cache is"],
    [["--cache", "redis://127.0.0.1:1", "--keys", "0"], "--keys is"],
  ])("%j", async (args, said) => {
    const { code, stderr } = await conformance(social, ...args);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
  });

  it("events that the application does not take, by their lines", async () => {
    const known = '{"type": "user.followed", "data": {"user": "ada", "follows": "grace"}}';
    const cases = [
      [await file("type", known, '{"type": "user.folowed", "data": {}}'), "Did you mean"],
      [await file("data", known, "", '{"type": "user.followed", "data": {}}'), "data:3"],
      [await file("json", "no"), "json:1  That is no JSON."],
      [await file("empty", ""), "no events"],
    ] as const;
    for (const [path, said] of cases) {
      const args = ["--cache", "redis://127.0.0.1:1", "--events", path];
      const { code, stderr } = await conformance(social, ...args);
      expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
    }
  });
});
