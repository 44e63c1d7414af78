import { ErrorReply } from "@redis/client";
import type { CacheEngine, Fence, Lookup } from "../../cache/engine.ts";
import type { Clock } from "../../lib/clock.ts";
import { systemClock } from "../../lib/clock.ts";
import { assert, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { type Random, systemRandom } from "../../lib/random.ts";
import { connectRedis, type RedisConnection } from "./connection.ts";
import { type Script, type ScriptName, scriptsOf } from "./scripts.ts";

export interface RedisCacheOptions {
  /** `redis://`, `rediss://` (TLS), or `redis+unix:///path/of/socket?db=0`. */
  readonly url: string;
  /** Each worker of each system has its own: no key is outside of `{millrace:system:worker}`. */
  readonly system: string;
  readonly worker: string;
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * A cache that all instances of a worker share, on a Redis server. Its fence is kept by scripts on
 * the server (scripts.ts). It waits for nothing: while Redis is gone, all that is asked fails.
 */
export async function openRedisCache(options: RedisCacheOptions): Promise<CacheEngine> {
  const { url, clock = systemClock, random = systemRandom } = options;
  return new RedisCache(await connectRedis(url, clock), options, random);
}

/** A store in use: its name, its keys, its scripts. */
interface Store {
  readonly name: string;
  readonly state: string;
  readonly values: string;
  readonly scripts: Readonly<Record<ScriptName, Script>>;
}

class RedisCache implements CacheEngine {
  readonly shared = true;
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #random: Random;
  /** Tells our blocks from those of other engines. */
  readonly #self: string;
  #store: Store | undefined;
  /** Holder → where it has blocked, until that is released. */
  readonly #heldIn = new Map<string, Store>();

  constructor(
    connection: RedisConnection,
    { system, worker }: Pick<RedisCacheOptions, "system" | "worker">,
    random: Random,
  ) {
    this.#connection = connection;
    this.#random = random;
    // In braces: the keys of a worker stay together where a cluster spreads them.
    this.#prefix = `{millrace:${system}:${worker}}`;
    this.#self = random.bytes(6).toString("hex");
  }

  async begin(): Promise<string> {
    const name = this.#random.bytes(12).toString("hex");
    const { scripts, state } = this.#storeOf(name);
    try {
      for (const { text } of Object.values(scripts)) await this.#ask(["SCRIPT", "LOAD", text]);
      await this.#ask(["HSET", state, "era", "1"]);
      await this.#ask(["PEXPIRE", state, String(limits.storeStateMs)]);
    } catch (thrown) {
      throw unavailable(thrown);
    }
    return name;
  }

  use(store: string | undefined): void {
    this.#store = store === undefined ? undefined : this.#storeOf(store);
  }

  async get(key: string): Promise<Lookup> {
    const [fence, found] = await this.#run("get", [key, bucketOf(key)]);
    if (fence !== "blocked") {
      const value = typeof found === "string" ? found : undefined;
      return { value, fence: this.#fenceOf(String(fence)) };
    }
    return { value: undefined, fence: undefined, blockedMs: Number(found) };
  }

  async fill(key: string, value: string, fence: Fence, ttlMs: number): Promise<boolean> {
    const prefix = this.#fenceOf("");
    const text = String(fence);
    if (!text.startsWith(prefix) || ttlMs <= 0) return false;
    const shown = text.slice(prefix.length);
    const life = String(Math.ceil(ttlMs));
    try {
      const [answer] = await this.#run("fill", [key, bucketOf(key), shown, value, life]);
      return answer === "filled";
    } catch (thrown) {
      // A full server, by its policy, keeps what it has; that is no outage.
      if (thrown instanceof MillraceError && isFull(thrown.cause)) return false;
      throw thrown;
    }
  }

  async block(keys: readonly string[], holder: string): Promise<void> {
    if (keys.length === 0) return;
    // Before it is known to have happened: whether it did or not, the release takes it back.
    this.#heldIn.set(holder, this.#inUse());
    await this.#runAll("block", keys, holder);
  }

  async release(keys: readonly string[], holder: string): Promise<void> {
    const store = this.#store;
    const isHere = (this.#heldIn.get(holder) ?? store) === store;
    if (store !== undefined && isHere && keys.length > 0) {
      await this.#runAll("release", keys, holder);
    }
    this.#heldIn.delete(holder);
  }

  async clear(): Promise<void> {
    await this.#run("clear", []);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #storeOf(name: string): Store {
    const start = `${this.#prefix}:${name}`;
    return { name, state: `${start}:s`, values: `${start}:v:`, scripts: scriptsOf(name) };
  }

  #fenceOf(text: string): string {
    return `${this.#store?.name}.${text}`;
  }

  #inUse(): Store {
    if (this.#store !== undefined) return this.#store;
    throw new MillraceError("MR_CACHE_UNAVAILABLE", "No store of the shared cache is in use.");
  }

  async #runAll(name: "block" | "release", keys: readonly string[], holder: string) {
    const id = `${this.#self}.${holder}`;
    for (let at = 0; at < keys.length; at += limits.storeKeysPerCall) {
      const some = keys.slice(at, at + limits.storeKeysPerCall);
      await this.#run(
        name,
        some.flatMap((key) => [key, bucketOf(key), id]),
      );
    }
  }

  /** @throws MR_CACHE_UNAVAILABLE also where the server is there, and the store is not */
  async #run(name: ScriptName, parameters: readonly string[]): Promise<readonly unknown[]> {
    const store = this.#inUse();
    const { hash } = store.scripts[name];
    const life = String(limits.storeStateMs);
    const command = ["EVALSHA", hash, "1", store.state, store.values, life, ...parameters];
    let answer: unknown;
    try {
      answer = await this.#ask(command);
    } catch (thrown) {
      throw unavailable(thrown);
    }
    assert(Array.isArray(answer), "every script answers with a list");
    if (answer[0] === "lost") throw this.#lost();
    return answer;
  }

  async #ask(command: readonly string[]): Promise<unknown> {
    return await this.#connection.ask(command);
  }

  #lost(): MillraceError {
    return new MillraceError(
      "MR_CACHE_UNAVAILABLE",
      `${this.#connection.shown} has lost what it held; a new store will be begun.`,
    );
  }
}

const isFull = (thrown: unknown): boolean =>
  thrown instanceof ErrorReply && thrown.message.startsWith("OOM");

/** A refusal of the server's is an outage, too: loading, a replica, another server, no right. */
function unavailable(thrown: unknown): unknown {
  if (!(thrown instanceof ErrorReply)) return thrown;
  const isOther = thrown.message.startsWith("NOSCRIPT");
  const what = isOther ? "It is not the same server as before." : thrown.message;
  return new MillraceError("MR_CACHE_UNAVAILABLE", `Redis refuses: ${what}`, { cause: thrown });
}

/** FNV-1a over the key's UTF-16, folded into the number of buckets. */
function bucketOf(key: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  }
  return `t${(hash >>> 0) % limits.storeBuckets}`;
}
