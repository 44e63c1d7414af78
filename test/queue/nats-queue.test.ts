/**
 * The NATS engine keeps every promise of the queue's port: the conformance suite on three real
 * servers that sync before they acknowledge, and on a single one.
 */
import { randomUUID } from "node:crypto";
import { queueConformance } from "millrace/conformance";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openNatsQueue } from "../../src/engines/nats/queue.ts";
import { NatsCluster, natsMissing } from "../support/nats-cluster.ts";

const missing = natsMissing();

for (const servers of [3, 1] as const) {
  describe.skipIf(missing)(`on ${servers} servers${missing ? ` (${missing})` : ""}`, () => {
    let cluster: NatsCluster;

    beforeAll(async () => {
      cluster = await NatsCluster.start({ servers });
    });

    afterAll(async () => {
      await cluster[Symbol.asyncDispose]();
    });

    it("processes that open a new queue at once open the same one", async () => {
      const stream = `test-${randomUUID()}`;
      const url = `${cluster.url}&stream=${stream}&bytes=100000000`;
      const engines = await Promise.all(
        Array.from({ length: 8 }, () => openNatsQueue({ url, partitions: 4 })),
      );
      expect(new Set(engines.map(({ identity }) => identity)).size).toBe(1);
      await Promise.all(engines.map((engine) => engine.close()));
      await cluster.removeStream(stream);
    });

    queueConformance(
      { describe, it },
      {
        name: "NATS",
        features: {
          restart: true,
          sharing: true,
          oneOrder: "the events of a call stand in packs, one for each partition",
          trimmedIds: "it keeps hashes of ids",
        },
        async createPlace({ partitions }) {
          const stream = `test-${randomUUID()}`;
          const url = `${cluster.url}&stream=${stream}&bytes=200000000`;
          return {
            open: () => openNatsQueue({ url, partitions }),
            remove: () => cluster.removeStream(stream),
          };
        },
      },
    );
  });
}
