/**
 * A touched key is blocked in the cache before the commit that touches it, and released after it:
 * else a query could find, or fill in, what the commit has just replaced.
 */
import { on } from "millrace";
import { expect, it, vi } from "vitest";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { Bench, Counted, type Tables, wait } from "./bench.ts";
import { afterEach, replaced } from "./mortal.ts";

it("blocks touched keys before the commit, and releases them after it", async () => {
  await using bench = await Bench.open();
  const log: string[] = [];
  let isTouching = false;
  const around = (database: DatabaseEngine) =>
    afterEach(database, () => {
      if (isTouching) log.push("commit");
      isTouching = false;
    });
  const instance = await bench.start(
    [
      on<typeof Counted, Tables>(Counted, async ({ data }, { cache }) => {
        isTouching = true;
        cache.touch(`count:${data.key}`);
      }),
    ],
    {
      around,
      aroundCache: (cache) =>
        replaced(cache, {
          async block(keys) {
            if (keys.length > 0) log.push(`block ${keys.join(" ")}`);
            const hold = await cache.block(keys);
            return {
              async release() {
                if (keys.length > 0) log.push(`release ${keys.join(" ")}`);
                await hold.release();
              },
            };
          },
        }),
    },
  );
  await bench.publish("a", 1);
  await vi.waitFor(() => expect(log).toHaveLength(3), wait);
  expect(log).toEqual(["block count:a", "commit", "release count:a"]);
  expect(instance.fatal).toEqual([]);
});
