/**
 * Which schema of a PostgreSQL server is a worker's: told by a row, changed at once, with former
 * ones removed by the next rebuild but one; names that are too long, and several systems, do not
 * meet.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { schemaName } from "../../src/engines/postgres/schemas.ts";
import {
  hasQueueAt,
  openQueueAt,
  PostgresServer as Places,
} from "../../src/engines/postgres/server.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";

it("gives long names schemas of their own, short enough to be numbered", () => {
  const long = "a".repeat(90);
  const names = [schemaName("millrace", long), schemaName("millrace", `${long}b`)];
  expect(new Set(names).size).toBe(2);
  for (const name of names) expect(Buffer.byteLength(`${name}~12345`)).toBeLessThanOrEqual(63);
});

describePostgres("the places of databases on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("tell whether a queue is there, and make none", async () => {
    const address = `${server.url}?schema=asked`;
    const isThere = () => hasQueueAt(address, systemClock);
    expect([await isThere(), await isThere()]).toEqual([false, false]);
    await (await openQueueAt(address, { clock: systemClock })).close();
    expect(await isThere()).toBe(true);
  });

  it("are another one after each rebuild, and the last former one stays", async () => {
    const places = new Places(server.url);
    expect(await places.workers()).toEqual([]);
    expect(await places.inUse("books")).toBe("millrace_books");
    await Promise.all([1, 2, 3].map(() => places.register("books")));
    const schemas = async () => {
      const rows = await server.query<{ nspname: string }>(
        "select nspname from pg_namespace where nspname like 'millrace\\_books%' order by nspname",
      );
      return rows.map(({ nspname }) => nspname);
    };
    const make = async (schema: string) => await (await places.open(schema)).close();
    await make("millrace_books");
    for (const number of [2, 3, 4]) {
      const before = await places.inUse("books");
      const another = await places.another("books");
      expect(another).toBe(`millrace_books~${number}`);
      // One that was broken off leaves nothing that stands in the way.
      await make(another);
      expect(await places.another("books")).toBe(another);
      await make(another);
      await places.use("books", another);
      expect(await places.inUse("books")).toBe(another);
      expect(await schemas()).toEqual([before, another]);
    }
    expect(await places.workers()).toEqual(["books"]);
    const others = new Places(`${server.url}?schema=shop`);
    expect(await others.workers()).toEqual([]);
    expect(await others.inUse("books")).toBe("shop_books");
    await Promise.all([places.close(), others.close()]);
  });
});
