/** A gateway whose event loop stood still says so, and forgets it once the loop turns again. */
import { expect, it } from "vitest";
import { LoopWatch } from "../../src/gateway/loop-watch.ts";
import { limits } from "../../src/lib/limits.ts";
import { ManualClock } from "../runtime/support/manual-clock.ts";

it("is behind when its timer is late", () => {
  const clock = new ManualClock();
  using watch = new LoopWatch(clock);
  clock.turn(10_000);
  expect(watch.isBehind).toBe(false);
  clock.jump(limits.loopWatchMs + limits.eventLoopDelayMaxMs + 1);
  expect(watch.isBehind).toBe(true);
  clock.turn(limits.loopWatchMs);
  expect(watch.isBehind).toBe(false);
});

it("is behind before the late timer had its turn", () => {
  const clock = new ManualClock();
  let nowMs = clock.monotonic();
  // Timers rest while the loop stands still; only the time goes on.
  const standing = { ...clock, every: clock.every.bind(clock), monotonic: () => nowMs };
  using watch = new LoopWatch(standing as unknown as ManualClock);
  nowMs += limits.loopWatchMs + limits.eventLoopDelayMaxMs + 1;
  expect(watch.isBehind).toBe(true);
});
