/**
 * The Redis engine keeps every promise of the cache's port (the conformance suite), on a real
 * server, over TCP and over a Unix socket; and says so where the server lost what it held, whatever
 * the way: emptied, evicted, restarted with old data, or replaced by a replica.
 */
import { cacheConformance } from "millrace/conformance";
import { openRedisCache } from "millrace/redis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CacheEngine } from "../../src/cache/engine.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { RedisServer, withoutRedis } from "../support/redis-server.ts";

const hourMs = 3_600_000;

describe.skipIf(withoutRedis)(`on Redis (${withoutRedis ?? "real servers"})`, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  let places = 0;
  for (const way of ["TCP", "Unix socket"]) {
    cacheConformance(
      { describe, it },
      {
        name: `Redis, ${way}`,
        features: { sharing: true },
        async createPlace() {
          const worker = `place-${++places}`;
          const url = way === "TCP" ? server.url : server.socketUrl;
          return {
            open: () => openRedisCache({ url, system: "test", worker }),
            pass: (ms) => systemClock.sleep(ms),
            remove: async () => {},
          };
        },
      },
    );
  }
});

describe.skipIf(withoutRedis)("a Redis that loses", () => {
  const gone = { code: "MR_CACHE_UNAVAILABLE" };

  async function filled(url: string): Promise<CacheEngine> {
    const engine = await openRedisCache({ url, system: "test", worker: "timelines" });
    const store = await engine.begin?.();
    engine.use?.(store ?? "");
    const { fence = "" } = await engine.get("key");
    expect(await engine.fill("key", "1", fence, hourMs)).toBe(true);
    return engine;
  }

  /** What may happen to it, and what it then has. */
  const losses: Record<string, (server: RedisServer) => Promise<unknown> | unknown> = {
    "is emptied": (server) => server.cli("flushall"),
    "evicts the fence alone": (server) => {
      for (const key of server.cli("keys", "*:s").split("\n")) server.cli("del", key);
    },
    "forgets its scripts": (server) => server.cli("script", "flush"),
    "is restarted empty": async (server) => {
      await server.kill();
      await server.start();
    },
    "is restarted with all its data": async (server) => {
      server.cli("save");
      await server.kill();
      await server.start();
      expect(server.cli("dbsize")).not.toBe("0");
    },
  };
  it.each(Object.keys(losses))("that %s answers nothing any more", async (name) => {
    await using server = await RedisServer.start();
    const engine = await filled(server.url);
    try {
      await losses[name]?.(server);
      await expect
        .poll(async () => await engine.get("key").catch(({ message }) => message), {
          timeout: 10_000,
        })
        .toMatch(/lost|not the same server/);
      await expect(engine.block(["key"], "holder")).rejects.toMatchObject(gone);
      await expect(engine.fill("key", "2", "x", hourMs)).resolves.toBe(false);
      engine.use?.((await engine.begin?.()) ?? "");
      expect((await engine.get("key")).value).toBeUndefined();
    } finally {
      await engine.close();
    }
  });

  it("does not take a replica's word, nor that of one which took over", async () => {
    await using first = await RedisServer.start("--repl-diskless-sync-delay", "0");
    await using second = await RedisServer.start("--replicaof", `127.0.0.1 ${first.port}`);
    const engine = await filled(first.url);
    const store = first.cli("keys", "*:s").split(":").at(-2) ?? "";
    await expect.poll(() => second.cli("dbsize"), { timeout: 20_000 }).toBe(first.cli("dbsize"));
    const other = await openRedisCache({ url: second.url, system: "test", worker: "timelines" });
    other.use?.(store);
    try {
      await expect(other.get("key")).rejects.toMatchObject(gone);
      second.cli("replicaof", "no", "one");
      await expect(other.get("key")).rejects.toThrow(/not the same server/);
      // The first one, now a replica, has its scripts still.
      first.cli("replicaof", "127.0.0.1", String(second.port));
      await expect(engine.get("key")).rejects.toMatchObject(gone);
    } finally {
      await Promise.all([engine.close(), other.close()]);
    }
  });

  it("fails at once while the server is silent, and goes on when it speaks", async () => {
    await using server = await RedisServer.start();
    const engine = await filled(server.url);
    try {
      server.pause();
      await expect(engine.block(["other"], "holder")).rejects.toMatchObject(gone);
      const answers = Array.from({ length: 1_000 }, () => engine.get("key"));
      for (const { status } of await Promise.allSettled(answers)) expect(status).toBe("rejected");
      server.resume();
      await expect
        .poll(async () => await engine.get("key").catch(() => undefined), { timeout: 10_000 })
        .toMatchObject({ value: "1" });
      // What was asked meanwhile has happened, and is taken back by its release.
      expect((await engine.get("other")).fence).toBeUndefined();
      await engine.release(["other"], "holder");
      expect((await engine.get("other")).fence).toBeDefined();
    } finally {
      await engine.close();
    }
  });

  it("keeps what is blocked when it is full, and takes no more values", async () => {
    await using server = await RedisServer.start("--maxmemory-policy", "noeviction");
    const engine = await filled(server.url);
    try {
      const { fence = "" } = await engine.get("other");
      server.cli("config", "set", "maxmemory", "1mb");
      expect(await engine.fill("other", "2", fence, hourMs)).toBe(false);
      await engine.block(["key"], "holder");
      expect((await engine.get("key")).fence).toBeUndefined();
      await engine.release(["key"], "holder");
      expect((await engine.get("key")).value).toBeUndefined();
    } finally {
      await engine.close();
    }
  });

  it("needs no more rights than the docs say, on its own keys", async () => {
    await using server = await RedisServer.start();
    const rights = "-@all +hello +ping +evalsha +script|load +hset +pexpire";
    const inside = "+hget +hexists +hincrby +hdel +get +set +unlink +time";
    server.cli(
      ...["acl", "setuser", "millrace", "on", ">secret", "~{millrace:*"],
      ...`${rights} ${inside}`.split(" "),
    );
    const engine = await filled(`redis://millrace:secret@127.0.0.1:${server.port}`);
    try {
      await engine.block(["key"], "holder");
      await engine.release(["key"], "holder");
      await engine.clear();
      const keys = server.cli("keys", "*").split("\n");
      for (const key of keys) expect(key).toMatch(/^\{millrace:test:timelines\}:/);
      // Nothing stays for ever.
      for (const key of keys) expect(Number(server.cli("pttl", key))).toBeGreaterThan(0);
    } finally {
      await engine.close();
    }
  });
});
