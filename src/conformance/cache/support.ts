import { ok } from "node:assert/strict";
import type { CacheEngine, Fence } from "../../cache/engine.ts";

export const hourMs = 3_600_000;

export const value = async (engine: CacheEngine, key: string): Promise<string | undefined> =>
  (await engine.get(key)).value;

/** The fence of a key that is not blocked. */
export async function fence(engine: CacheEngine, key: string): Promise<Fence> {
  const lookup = await engine.get(key);
  ok(lookup.fence !== undefined, `${key} is not blocked, so it has a fence`);
  return lookup.fence;
}

/** Looks the key up and fills it, with nothing in between. */
export const fill = async (engine: CacheEngine, key: string, text: string): Promise<boolean> =>
  engine.fill(key, text, await fence(engine, key), hourMs);
