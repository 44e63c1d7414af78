/**
 * Retention removes what is old or too much, and never what a worker has not applied: the policy by
 * properties over random numbers, the whole of it on both engines.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openMemoryQueue } from "../../src/engines/memory/queue.ts";
import type { QueueEngine } from "../../src/queue/engine.ts";
import { cutOffTime, planTrims, retainOnce } from "../../src/queue/retention.ts";
import { type HandClock, handClock } from "../support/hand-clock.ts";
import { idsOf, openQueue, readAll, request, requests, temporaryFolder } from "./support.ts";

const natural = fc.integer({ min: 0, max: 1_000 });
const positions = fc.dictionary(fc.integer({ min: 0, max: 5 }).map(String), natural);
const toMap = (record: Record<string, number>): Map<number, number> =>
  new Map(Object.entries(record).map(([partition, position]) => [Number(partition), position]));

describe("the plan", () => {
  it("never goes beyond the cut-off or what the slowest worker has applied", () => {
    fc.assert(
      fc.property(positions, fc.array(positions, { maxLength: 4 }), (before, applied) => {
        const workers = applied.map(toMap);
        const trims = planTrims(toMap(before), workers);
        for (const [partition, position] of trims) {
          expect(position).toBeGreaterThan(0);
          expect(position).toBeLessThanOrEqual(before[partition] ?? 0);
          for (const worker of workers) {
            expect(position).toBeLessThanOrEqual(worker.get(partition) ?? 0);
          }
        }
        // And nothing that may go is kept.
        for (const [partition, position] of toMap(before)) {
          const least = Math.min(position, ...workers.map((worker) => worker.get(partition) ?? 0));
          expect(trims.get(partition) ?? 0).toBe(least);
        }
      }),
    );
  });

  it("keeps everything while nothing is known of a worker", () => {
    expect(planTrims(new Map([[0, 10]]), [new Map([[0, 10]]), undefined]).size).toBe(0);
  });
});

describe("the cut-off", () => {
  const bounds = { ageMs: 1_000, bytesMax: 100 };

  it("is the age, where there is not too much", () => {
    expect(cutOffTime({ storedBytes: 100, oldestAcceptedAt: 5 }, bounds, 9_000)).toBe(8_000);
    expect(cutOffTime({ storedBytes: 5_000 }, bounds, 9_000)).toBe(8_000);
  });

  it("comes nearer by the share that is too much, and never lies in the future", () => {
    const stored = { storedBytes: 400, oldestAcceptedAt: 8_800 };
    expect(cutOffTime(stored, bounds, 9_000)).toBe(8_800 + 150 + 1);
    fc.assert(
      fc.property(natural, natural, natural, (storedBytes, oldestAcceptedAt, later) => {
        const nowMs = oldestAcceptedAt + later;
        const cutOff = cutOffTime({ storedBytes, oldestAcceptedAt }, bounds, nowMs);
        expect(cutOff).toBeGreaterThanOrEqual(nowMs - bounds.ageMs);
        expect(cutOff).toBeLessThanOrEqual(nowMs + 1);
      }),
    );
  });
});

const engines: [string, (clock: HandClock) => Promise<QueueEngine>][] = [
  ["memory", async (clock) => openMemoryQueue({ partitions: 4, clock })],
  ["SQLite", (clock) => openQueue({ folder: temporaryFolder(), clock })],
];

describe.each(engines)("on %s", (_name, open) => {
  it("removes what is old and applied everywhere, and only that", async () => {
    const clock = handClock();
    const engine = await open(clock);
    await engine.append(requests("old", 8));
    clock.advance(10_000);
    await engine.append(requests("new", 8));
    const bounds = { ageMs: 5_000, bytesMax: Number.MAX_SAFE_INTEGER };
    const ends = await engine.ends();
    const slow = new Map(ends).set(2, 0);
    await retainOnce(engine, [ends, undefined], clock.now(), bounds);
    expect((await engine.health()).storedEvents).toBe(16);
    const trims = await retainOnce(engine, [ends, slow], clock.now(), bounds);
    expect([...trims.keys()]).toEqual([0, 1, 3]);
    const left = idsOf(await readAll(engine, new Map([...trims, [2, 0]])));
    expect(left.filter((id) => id.startsWith("old"))).toEqual(["old-2", "old-6"]);
    expect(left.filter((id) => id.startsWith("new"))).toHaveLength(8);
  });

  it("removes the oldest first where there is too much, in a few rounds", async () => {
    const clock = handClock();
    const engine = await open(clock);
    const data = JSON.stringify("x".repeat(20_000));
    for (let at = 0; at < 100; at++) {
      await engine.append([request(`event-${at}`, at % 4, data)]);
      clock.advance(1_000);
    }
    const bounds = { ageMs: 3_600_000, bytesMax: 1_000_000 };
    const ends = await engine.ends();
    for (let round = 0; round < 5; round++) await retainOnce(engine, [ends], clock.now(), bounds);
    const { storedBytes, storedEvents } = await engine.health();
    expect(storedBytes).toBeLessThanOrEqual(bounds.bytesMax);
    expect(storedEvents).toBeGreaterThan(20);
    expect((await engine.find("event-99"))[0]?.event).toBeDefined();
    expect((await engine.find("event-0"))[0]?.event).toBeUndefined();
  });
});
