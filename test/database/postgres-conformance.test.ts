/** The PostgreSQL engine keeps the database port's promises: the one suite, on a real server. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { databaseConformance } from "../../src/conformance/database.ts";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";

describePostgres("a database on PostgreSQL", () => {
  let server: PostgresServer;
  let places = 0;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  databaseConformance(
    { describe, it },
    {
      name: "PostgreSQL",
      features: { restart: true, sharing: true },
      async createPlace() {
        places += 1;
        const schema = `place_${places}`;
        return {
          open: () => openPostgresDatabase({ url: server.url, schema }),
          remove: async () => void (await server.query(`drop schema ${schema} cascade`)),
        };
      },
    },
  );
});
