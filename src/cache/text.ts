import { assert } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";

/** What a load returns as the text that is cached: JSON, in which `undefined` is null. */
export const textOf = (load: () => Promise<unknown>) => async (): Promise<string> =>
  JSON.stringify(await load()) ?? "null";

/** A key goes through databases and stores: text that none of them changes, of limited length. */
export function checkKey(key: string): void {
  assert(
    typeof key === "string" && key.isWellFormed() && !key.includes("\0"),
    "a cache key is text, without NUL and lone surrogates",
  );
  assert(
    key.length <= limits.cacheKeyLengthMax,
    `a cache key has at most ${limits.cacheKeyLengthMax} characters: ${key.slice(0, 40)}…`,
  );
}
