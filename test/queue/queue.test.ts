/**
 * The front of the queue: the same partition on every engine, limits on everything that is stored,
 * one observation an append. Over the memory engine, which keeps the port's promises.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openMemoryQueue } from "../../src/engines/memory/queue.ts";
import { limits } from "../../src/lib/limits.ts";
import { partitionOf } from "../../src/queue/partition.ts";
import { type AppendObservation, createQueue } from "../../src/queue/queue.ts";
import type { EventRecord } from "../../src/system/event-record.ts";
import { handClock } from "../support/hand-clock.ts";

const event = (changes: Partial<EventRecord> = {}): EventRecord => ({
  id: "id",
  source: "/test",
  type: "thing.happened",
  key: "key",
  time: "2026-01-01T00:00:00Z",
  data: "{}",
  attributes: {},
  ...changes,
});

describe("partitions", () => {
  it("are part of the stored format: these never change", () => {
    const keys = ["", "a", "ada", "grace", "user-1", "user-2", "ключ", "🔑"];
    expect(keys.map((key) => partitionOf(key, 16))).toEqual([11, 3, 14, 3, 12, 1, 2, 0]);
    expect(keys.map((key) => partitionOf(key, 7))).toEqual([4, 0, 0, 2, 3, 1, 3, 0]);
  });

  it("are in range and even", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 1_024 }), (key, partitions) => {
        const partition = partitionOf(key, partitions);
        expect(Number.isInteger(partition) && partition >= 0 && partition < partitions).toBe(true);
      }),
    );
    const counts = new Array<number>(16).fill(0);
    for (let at = 0; at < 16_000; at++) {
      const partition = partitionOf(`user-${at}`, 16);
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1_150);
  });

  it("are given to events by their keys", async () => {
    const queue = createQueue(openMemoryQueue());
    const keys = ["ada", "grace", "barbara"];
    const receipts = await queue.append(keys.map((key) => ({ event: event({ id: key, key }) })));
    expect(receipts.map(({ partition }) => partition)).toEqual(
      keys.map((key) => partitionOf(key, limits.partitions)),
    );
  });
});

describe("limits", () => {
  const bounds = [
    ["id", limits.idBytesMax],
    ["source", limits.sourceBytesMax],
    ["type", limits.nameLengthMax],
    ["key", limits.keyBytesMax],
  ] as const;

  it.each(bounds)("%s: not none, in the very first event", async (name) => {
    const queue = createQueue(openMemoryQueue());
    const first = queue.append([{ event: event({ [name]: "" }) }]);
    await expect(first).rejects.toMatchObject({ code: "MR_CLOUDEVENT_INVALID" });
  });

  it.each(bounds)(
    "%s: as many bytes as allowed, not one more, not none",
    async (name, bytesMax) => {
      const queue = createQueue(openMemoryQueue());
      const append = (text: string) => queue.append([{ event: event({ [name]: text }) }]);
      await append("x".repeat(bytesMax));
      await append("é".repeat(Math.floor(bytesMax / 2)));
      for (const text of ["", "x".repeat(bytesMax + 1), "é".repeat(Math.floor(bytesMax / 2) + 1)]) {
        await expect(append(text)).rejects.toMatchObject({
          code: "MR_CLOUDEVENT_INVALID",
          faults: [{ pointer: `#/${name}` }],
        });
      }
    },
  );

  it("data: as many bytes as allowed, not one more; then nothing of the call is stored", async () => {
    const engine = openMemoryQueue();
    const queue = createQueue(engine);
    await queue.append([{ event: event({ data: "x".repeat(limits.dataBytesMax) }) }]);
    const over = event({ id: "over", data: "x".repeat(limits.dataBytesMax + 1) });
    const both = queue.append([{ event: event({ id: "fine" }) }, { event: over }]);
    await expect(both).rejects.toMatchObject({ code: "MR_BODY_TOO_LARGE" });
    expect((await engine.health()).storedEvents).toBe(1);
  });
});

it("tells each append once: its receipts or its error, and how long it took", async () => {
  const engine = openMemoryQueue();
  const clock = handClock();
  const observed: AppendObservation[] = [];
  const queue = createQueue(engine, { clock, observe: (one) => observed.push(one) });
  const receipts = await queue.append([{ event: event() }]);
  await queue.append([]);
  await queue.close();
  await expect(queue.append([{ event: event() }])).rejects.toMatchObject({
    code: "MR_QUEUE_UNAVAILABLE",
  });
  expect(observed.map(({ outcome, durationMs }) => [outcome, durationMs])).toEqual([
    [receipts, 0],
    ["MR_QUEUE_UNAVAILABLE", 0],
  ]);
});
