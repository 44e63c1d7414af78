/**
 * Readers wake across processes by the bell alone, find what they did not hear, and do next to
 * nothing while nothing happens. Clocks whose timers never fire leave only the bell; clocks turned
 * by hand count what a waiting reader does. No time is measured.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { limits } from "../../src/lib/limits.ts";
import { handClock } from "../support/hand-clock.ts";
import { fromStart, idsOf, openQueue, request, startWriter, temporaryFolder } from "./support.ts";

const foreverMs = 600_000;
/** No timer ever fires: who waits is woken by somebody or not at all. */
const timerless: Clock = { ...systemClock, after: () => ({ [Symbol.dispose]: () => {} }) };

it("a waiting reader is woken by the bell of another process", async () => {
  const folder = temporaryFolder();
  const engine = await openQueue({ folder, clock: timerless });
  const subscription = engine.subscribe(fromStart());
  const first = subscription.next(1, foreverMs);
  const writer = startWriter({ folder, name: "w", appends: 5, eventsMax: 1 }, () => {});
  const ids = idsOf((await first).events);
  while (ids.length < 5) ids.push(...idsOf((await subscription.next(1, foreverMs)).events));
  expect(ids).toEqual(["w-1", "w-2", "w-3", "w-4", "w-5"]);
  await writer.exited;
});

it("a reader that cannot hear the bell finds the events when it looks", async () => {
  const folder = temporaryFolder();
  const clock = handClock();
  const reader = await openQueue({ folder, clock });
  const waiting = reader.subscribe(fromStart()).next(10, foreverMs);
  // The writer makes a new bell, which the reader does not watch.
  rmSync(join(folder, "bell"));
  const writer = await openQueue({ folder });
  await writer.append([request("unheard")]);
  clock.advance(limits.idleWaitMs);
  expect(idsOf((await waiting).events)).toEqual(["unheard"]);
});

it("a waiting reader sets one timer in each idleWaitMs, and ends its wait in time", async () => {
  const clock = handClock();
  let timers = 0;
  const counting: Clock = {
    ...clock,
    after: (ms, task) => {
      timers++;
      return clock.after(ms, task);
    },
  };
  const engine = await openQueue({ folder: temporaryFolder(), clock: counting });
  const waiting = engine.subscribe(fromStart()).next(10, 100 * limits.idleWaitMs);
  const before = timers;
  for (let look = 0; look < 100; look++) {
    clock.advance(limits.idleWaitMs);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  expect((await waiting).events).toEqual([]);
  expect(timers - before).toBeLessThanOrEqual(101);
});

it("an append wakes every waiting reader of its own process", async () => {
  const engine = await openQueue({ folder: temporaryFolder(), clock: timerless });
  const waits = Array.from({ length: 10 }, () => engine.subscribe(fromStart()).next(10, foreverMs));
  await engine.append([request("for-all")]);
  for (const { events } of await Promise.all(waits)) expect(idsOf(events)).toEqual(["for-all"]);
});
