import { setTimeout as sleep } from "node:timers/promises";
import type { SystemUnderTest } from "../systems/system.ts";

const lookMs = 20;

/**
 * Effects a second of the slower worker, from its first effects on: until there are `total` of
 * them, or the time is up.
 */
export async function drainRate(
  system: SystemUnderTest,
  total: number,
  seconds: number,
): Promise<number> {
  const slower = async () => Math.min(...(await system.effects()));
  let [from, startedAt] = [await slower(), performance.now()];
  const waitUntil = performance.now() + 120_000;
  while (from === 0 && performance.now() < waitUntil) {
    await sleep(lookMs);
    [from, startedAt] = [await slower(), performance.now()];
  }
  let reached = from;
  let elapsedMs = 0;
  while (reached < total && elapsedMs < seconds * 1_000) {
    await sleep(lookMs);
    reached = await slower();
    elapsedMs = performance.now() - startedAt;
  }
  return ((reached - from) * 1_000) / elapsedMs;
}
