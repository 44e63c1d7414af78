import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { CacheScenario } from "./scenario.ts";
import { fence, fill, hourMs, value } from "./support.ts";

/** What is filled is found, for as long as it may be. */
export const keeping: readonly CacheScenario[] = [
  {
    name: "what was filled is found, key by key",
    async run(open) {
      const engine = await open();
      strictEqual(await value(engine, "one"), undefined);
      strictEqual(await fill(engine, "one", "1"), true);
      strictEqual(await fill(engine, "two", "2"), true);
      strictEqual(await value(engine, "one"), "1");
      strictEqual(await value(engine, "two"), "2");
      strictEqual(await value(engine, "three"), undefined);
    },
  },
  {
    name: "a later fill replaces an earlier one",
    async run(open) {
      const engine = await open();
      await fill(engine, "key", '"before"');
      strictEqual(await fill(engine, "key", '"after"'), true);
      strictEqual(await value(engine, "key"), '"after"');
    },
  },
  {
    name: "keys and values come back as they were, whatever is in them",
    async run(open) {
      const engine = await open();
      const keys = ["home:ada", "a b", "{a}", "*", "è🚀", "k".repeat(1_024), "new\nline", ""];
      for (const key of keys) await fill(engine, key, JSON.stringify({ key, text: "è🚀\u0000" }));
      for (const key of keys) {
        const text = (await value(engine, key)) ?? "null";
        deepStrictEqual(JSON.parse(text), { key, text: "è🚀\u0000" });
      }
    },
  },
  {
    name: "a value lives no longer than its time",
    async run(open, place) {
      const engine = await open();
      await engine.fill("short", "1", await fence(engine, "short"), 200);
      await engine.fill("long", "2", await fence(engine, "long"), hourMs);
      strictEqual(await value(engine, "short"), "1");
      await place.pass(250);
      strictEqual(await value(engine, "short"), undefined);
      strictEqual(await value(engine, "long"), "2");
    },
  },
  {
    name: "an expired value can be filled again",
    async run(open, place) {
      const engine = await open();
      await engine.fill("key", "1", await fence(engine, "key"), 200);
      await place.pass(250);
      strictEqual(await fill(engine, "key", "2"), true);
      strictEqual(await value(engine, "key"), "2");
    },
  },
  {
    name: "clear drops everything and refuses what was read before it",
    async run(open) {
      const engine = await open();
      await fill(engine, "kept", "1");
      const before = await fence(engine, "other");
      await engine.clear();
      strictEqual(await value(engine, "kept"), undefined);
      strictEqual(await engine.fill("other", "2", before, hourMs), false);
      strictEqual(await value(engine, "other"), undefined);
      strictEqual(await fill(engine, "other", "3"), true);
    },
  },
  {
    name: "no keys are an ordinary list of keys",
    async run(open) {
      const engine = await open();
      await engine.block([], "holder");
      await engine.release([], "holder");
      strictEqual(await fill(engine, "key", "1"), true);
    },
  },
  {
    name: "close can be called again",
    async run(open) {
      const engine = await open();
      await engine.close();
      await engine.close();
    },
  },
];
