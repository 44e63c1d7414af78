import { notStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import type { CacheEngine, Fence } from "../../cache/engine.ts";
import type { CacheScenario } from "./scenario.ts";
import { fence, fill, hourMs, value } from "./support.ts";

/** Nothing that was read before a commit is found after it. */
export const fencing: readonly CacheScenario[] = [
  {
    name: "a fill that began before a block is refused while the key is blocked",
    async run(open) {
      const engine = await open();
      const before = await fence(engine, "key");
      await engine.block(["key"], "holder");
      strictEqual(await engine.fill("key", "1", before, hourMs), false);
      strictEqual(await value(engine, "key"), undefined);
    },
  },
  {
    name: "a fill that began before a block is refused after the release",
    async run(open) {
      const engine = await open();
      const before = await fence(engine, "key");
      await engine.block(["key"], "holder");
      await engine.release(["key"], "holder");
      strictEqual(await engine.fill("key", "1", before, hourMs), false);
      strictEqual(await value(engine, "key"), undefined);
    },
  },
  {
    name: "a blocked key has no value and no fence",
    async run(open) {
      const engine = await open();
      await fill(engine, "key", "1");
      await engine.block(["key"], "holder");
      const lookup = await engine.get("key");
      strictEqual(lookup.value, undefined);
      strictEqual(lookup.fence, undefined);
      await engine.release(["key"], "holder");
      strictEqual(await value(engine, "key"), undefined);
    },
  },
  {
    name: "a fill that began after the release is kept",
    async run(open) {
      const engine = await open();
      await engine.block(["key"], "holder");
      await engine.release(["key"], "holder");
      strictEqual(await fill(engine, "key", "1"), true);
      strictEqual(await value(engine, "key"), "1");
    },
  },
  {
    name: "a key that two have blocked is released by the second release",
    async run(open) {
      const engine = await open();
      await engine.block(["key"], "one");
      await engine.block(["key"], "other");
      await engine.release(["key"], "one");
      strictEqual((await engine.get("key")).fence, undefined);
      await engine.release(["key"], "other");
      strictEqual(await fill(engine, "key", "1"), true);
    },
  },
  {
    name: "a release that is repeated, or whose block never came, takes back nobody else's",
    async run(open) {
      const engine = await open();
      await engine.block(["key"], "one");
      await engine.release(["key"], "never-came");
      strictEqual((await engine.get("key")).fence, undefined);
      await engine.release(["key"], "one");
      await engine.block(["key"], "other");
      await engine.release(["key"], "one");
      strictEqual((await engine.get("key")).fence, undefined);
      await engine.release(["key"], "other");
      strictEqual(await fill(engine, "key", "1"), true);
    },
  },
  {
    name: "a release without a block drops the value, refuses earlier fills, and owes nothing",
    async run(open) {
      const engine = await open();
      await fill(engine, "key", "1");
      const before = await fence(engine, "key");
      await engine.release(["key"], "holder");
      strictEqual(await value(engine, "key"), undefined);
      strictEqual(await engine.fill("key", "1", before, hourMs), false);
      await engine.block(["key"], "holder");
      strictEqual((await engine.get("key")).fence, undefined);
    },
  },
  {
    name: "other keys are not touched",
    async run(open) {
      const engine = await open();
      await fill(engine, "other", "1");
      const before = await fence(engine, "third");
      await engine.block(["key"], "holder");
      await engine.release(["key"], "holder");
      strictEqual(await value(engine, "other"), "1");
      strictEqual(await engine.fill("third", "3", before, hourMs), true);
    },
  },
  {
    name: "what is blocked stays blocked through a clear",
    async run(open) {
      const engine = await open();
      await engine.block(["key"], "holder");
      await engine.clear();
      strictEqual((await engine.get("key")).fence, undefined);
      await engine.release(["key"], "holder");
      strictEqual(await fill(engine, "key", "1"), true);
    },
  },
  {
    name: "the fence holds for thousands of keys touched meanwhile",
    async run(open) {
      const engine = await open();
      const before = await fence(engine, "key");
      await engine.block(["key"], "holder");
      await engine.release(["key"], "holder");
      const others = Array.from({ length: 5_000 }, (_, at) => `other:${at}`);
      await engine.block(others, "holder");
      await engine.release(others, "holder");
      strictEqual(await engine.fill("key", "1", before, hourMs), false);
    },
  },
  {
    name: "in any order of look-ups, fills, blocks and releases, no value outlives a touch",
    async run(open) {
      for (let seed = 1; seed <= 40; seed++) await walkAtRandom(await open(), seed);
    },
  },
  {
    name: "one engine finds what another filled",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await open(), await open()];
      ok(one.shared && other.shared);
      await fill(one, "key", "1");
      strictEqual(await value(other, "key"), "1");
    },
  },
  {
    name: "what one engine blocks, another cannot fill",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await open(), await open()];
      const before = await fence(other, "key");
      await one.block(["key"], "holder");
      strictEqual((await other.get("key")).fence, undefined);
      strictEqual(await other.fill("key", "1", before, hourMs), false);
      await one.release(["key"], "holder");
      strictEqual(await other.fill("key", "1", before, hourMs), false);
      strictEqual(await fill(other, "key", "2"), true);
    },
  },
  {
    name: "a key's fence stays the same until it is touched",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await open(), await open()];
      const first = await fence(one, "key");
      strictEqual(await fence(other, "key"), first);
      await one.block(["key"], "holder");
      await one.release(["key"], "holder");
      notStrictEqual(await fence(other, "key"), first);
    },
  },
  {
    name: "a release takes back the blocks of its own engine, and nobody else's",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await open(), await open()];
      await one.block(["key"], "holder");
      await other.block(["key"], "holder");
      await one.release(["key"], "holder");
      await one.release(["key"], "holder");
      strictEqual((await one.get("key")).fence, undefined);
      await other.release(["key"], "holder");
      strictEqual(await fill(one, "key", "1"), true);
    },
  },
  {
    name: "a new store knows nothing of the one before",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await open(), await open()];
      await fill(one, "key", "1");
      const before = await fence(one, "other");
      await one.block(["blocked"], "holder");
      const next = await one.begin?.();
      ok(next !== undefined);
      for (const engine of [one, other]) engine.use?.(next);
      strictEqual(await value(other, "key"), undefined);
      strictEqual(await one.fill("other", "2", before, hourMs), false);
      strictEqual(await fill(other, "blocked", "3"), true);
      // It was blocked in the other store: this one is none of its business.
      await one.release(["blocked"], "holder");
      strictEqual(await value(one, "blocked"), "3");
      for (const engine of [one, other]) engine.use?.(undefined);
      await rejects(one.block(["key"], "holder"));
      await one.release(["key"], "holder");
    },
  },
];

/**
 * One key under random operations, its values the number of touches when their fence was taken. A
 * value that is found must be as new as the last touch, which a refused fill could have broken.
 */
async function walkAtRandom(engine: CacheEngine, seed: number): Promise<void> {
  const key = `walk:${seed}`;
  const fences: { readonly fence: Fence; readonly touches: number }[] = [];
  let touches = 0;
  let blocks = 0;
  let state = seed;
  for (let step = 0; step < 60; step++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const choice = (state >>> 16) % 8;
    if (choice === 0 || (choice === 1 && blocks > 0)) {
      touches += 1;
      if (choice === 0) await engine.block([key], `block-${++blocks}`);
      else await engine.release([key], `block-${blocks--}`);
    } else if (choice <= 4) {
      const lookup = await engine.get(key);
      strictEqual(lookup.fence === undefined, blocks > 0, `seed ${seed}, step ${step}: blocked`);
      if (lookup.fence !== undefined) fences.push({ fence: lookup.fence, touches });
    } else {
      const held = fences[(state >>> 20) % Math.max(1, fences.length)];
      if (held === undefined) continue;
      const isCurrent = held.touches === touches && blocks === 0;
      const isKept = await engine.fill(key, String(held.touches), held.fence, hourMs);
      strictEqual(isKept, isCurrent, `seed ${seed}, step ${step}: fill`);
    }
    const found = await value(engine, key);
    if (found !== undefined) strictEqual(found, String(touches), `seed ${seed}, step ${step}`);
  }
}
