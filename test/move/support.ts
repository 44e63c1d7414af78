import { trimmedOf } from "../../src/move/copy-queue.ts";
import type { QueueEngine } from "../../src/queue/engine.ts";
import type { EventRecord } from "../../src/system/event-record.ts";
import { readAll } from "../queue/support.ts";

export const record = (id: string): EventRecord => ({
  ...{ id, source: "/test/gateway", type: "thing.happened", key: "key", attributes: {} },
  ...{ time: "2026-01-01T00:00:00.000Z", data: JSON.stringify({ id }) },
});

/** Everything that a queue holds, of which the oldest may be gone. */
export const storedIn = async (queue: QueueEngine) => await readAll(queue, await trimmedOf(queue));
