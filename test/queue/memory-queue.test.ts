/**
 * The memory engine keeps every promise of the queue's port: the conformance suite, nothing else.
 */
import { queueConformance } from "millrace/conformance";
import { describe, it } from "vitest";
import { createMemoryQueueData, openMemoryQueue } from "../../src/engines/memory/queue.ts";

queueConformance(
  { describe, it },
  {
    name: "memory",
    features: { restart: true, sharing: true, oneOrder: true, trimmedIds: true },
    async createPlace({ partitions }) {
      const data = createMemoryQueueData(partitions);
      return { open: async () => openMemoryQueue({ data }), remove: async () => {} };
    },
  },
);
