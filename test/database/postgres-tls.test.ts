/**
 * Databases and queue on a PostgreSQL server that asks for TLS and a password: they are let in by
 * an address that names the authority, and whoever is not who it should be is told so in words. On
 * a real server with a certificate of its own.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import { inspectServer } from "../../src/engines/postgres/inspect.ts";
import { openQueueAt } from "../../src/engines/postgres/server.ts";
import {
  type Certificates,
  makeCertificates,
  withoutCertificates,
} from "../support/certificates.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";

const event = {
  ...{ id: "one", source: "/test", type: "counted", key: "key", data: "1" },
  ...{ time: "2026-01-01T00:00:00Z", attributes: {} },
};

describePostgres("a PostgreSQL server that asks for TLS", () => {
  let certificates: Certificates;
  let server: PostgresServer;

  beforeAll(async () => {
    if (withoutCertificates !== undefined) return;
    certificates = makeCertificates();
    server = await PostgresServer.start({ tls: certificates.server });
    await server.query("create role ada login password 's3cret:@'");
    await server.query("grant create on database postgres to ada");
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    certificates?.[Symbol.dispose]();
  });

  const at = (options: Record<string, string>, user = "ada:s3cret%3A%40", port = server.port) =>
    `postgres://${user}@127.0.0.1:${port}/postgres?${new URLSearchParams(options)}`;

  const verified = (sslrootcert = certificates.server.ca) => ({
    sslmode: "verify-full",
    sslrootcert,
  });

  async function expectRefused(url: string, words: RegExp): Promise<void> {
    const failure = await openPostgresDatabase({ url, schema: "refused" }).catch((error) => error);
    expect(failure).toMatchObject({ code: "MR_DATABASE_UNAVAILABLE" });
    expect(failure.message).toMatch(words);
    expect(JSON.stringify(failure)).not.toContain("s3cret");
  }

  it.skipIf(withoutCertificates)(
    "lets in who names its authority and knows the password",
    async () => {
      const url = at(verified());
      expect(await inspectServer(url)).toMatchObject({ hasTls: true });
      const database = await openPostgresDatabase({ url, schema: "secured" });
      await database.transaction(async (tx) => {
        await tx.run("create table items (id text primary key)");
        await Promise.all(["a", "b"].map((id) => tx.run("insert into items values ($1)", [id])));
      });
      expect(await database.read("select id from items order by id")).toEqual([
        { id: "a" },
        { id: "b" },
      ]);
      await database.close();
      const queue = await openQueueAt(url, { partitions: 1 });
      const subscription = queue.subscribe(new Map([[0, 0]]));
      const next = subscription.next(10, 10_000);
      await queue.append([{ partition: 0, event }]);
      expect((await next).events.map((one) => one.event)).toEqual([event]);
      await subscription.close();
      await queue.close();
    },
  );

  it.skipIf(withoutCertificates)(
    "is refused where another authority vouches for it, or another host",
    async () => {
      await expectRefused(at(verified(certificates.otherCa)), /certificate .* is not good: unable/);
      await using elsewhere = await PostgresServer.start({ tls: certificates.elsewhere });
      const url = at(verified(), "postgres", elsewhere.port);
      await expectRefused(url, /is not good: Hostname\/IP does not match/);
    },
  );

  it.skipIf(withoutCertificates)("refuses who speaks no TLS, or has another password", async () => {
    await expectRefused(at({}), /does not let this user in/);
    await expectRefused(at(verified(), "ada:s3cret"), /does not let this user in/);
  });
});
