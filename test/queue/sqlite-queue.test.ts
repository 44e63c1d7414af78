/**
 * The SQLite engine keeps every promise of the queue's port: the conformance suite on real files.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { queueConformance } from "millrace/conformance";
import { describe, it } from "vitest";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";

queueConformance(
  { describe, it },
  {
    name: "SQLite",
    features: { restart: true, sharing: true, oneOrder: true, trimmedIds: true },
    async createPlace({ partitions }) {
      const folder = await mkdtemp(join(tmpdir(), "millrace-queue-"));
      return {
        open: () => openSqliteQueue({ folder, partitions, ballastBytes: 0 }),
        remove: () => rm(folder, { recursive: true }),
      };
    },
  },
);
