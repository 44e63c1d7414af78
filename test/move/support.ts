import { trimmedOf } from "../../src/move/copy-queue.ts";
import type { QueuedEvent, QueueEngine } from "../../src/queue/engine.ts";
import type { EventRecord } from "../../src/system/event-record.ts";

export const record = (id: string): EventRecord => ({
  ...{ id, source: "/test/gateway", type: "thing.happened", key: "key", attributes: {} },
  ...{ time: "2026-01-01T00:00:00.000Z", data: JSON.stringify({ id }) },
});

/** Everything that a queue holds. */
export async function readAll(queue: QueueEngine): Promise<QueuedEvent[]> {
  const subscription = queue.subscribe(await trimmedOf(queue));
  const all: QueuedEvent[] = [];
  for (;;) {
    const { events, positions } = await subscription.next(100, 0);
    all.push(...events);
    if (positions.size > 0) continue;
    await subscription.close();
    return all;
  }
}
