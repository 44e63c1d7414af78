/** The queue engine on PostgreSQL keeps the port's promises: the one suite, on a real server. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { queueConformance } from "../../src/conformance/queue.ts";
import { openPostgresQueue } from "../../src/engines/postgres/queue.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";

describePostgres("a queue on PostgreSQL", () => {
  let server: PostgresServer;
  let places = 0;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  queueConformance(
    { describe, it },
    {
      name: "PostgreSQL",
      features: { restart: true, sharing: true, oneOrder: true, trimmedIds: true },
      async createPlace({ partitions }) {
        places += 1;
        const schema = `place_${places}`;
        return {
          open: () => openPostgresQueue({ url: server.url, schema, partitions }),
          remove: async () => void (await server.query(`drop schema ${schema} cascade`)),
        };
      },
    },
  );
});
