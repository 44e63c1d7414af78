/** What `millrace doctor` says of the caches' server: a real one, and one that is not there. */
import { describe, expect, it, onTestFinished } from "vitest";
import { parseConfig } from "../../src/runtime/config.ts";
import { checkCache } from "../../src/runtime/doctor/cache.ts";
import { freePort } from "../support/free-port.ts";
import { RedisServer, withoutRedis } from "../support/redis-server.ts";

async function findings(url: string) {
  const { config } = parseConfig({}, { MILLRACE_CACHE: url });
  const found = await checkCache(config);
  for (const { status, remedy } of found) expect(remedy === undefined).toBe(status === "pass");
  return Object.fromEntries(found.map(({ what, status, detail }) => [what, [status, detail]]));
}

it("says nothing against caches in memory", async () => {
  expect(await findings("memory:")).toEqual({ Cache: ["pass", expect.any(String)] });
});

it("fails where nobody answers, and never tells the password", async () => {
  const url = `redis://user:hunter2@127.0.0.1:${await freePort()}`;
  const { Cache, "Cache way": way } = await findings(url);
  expect([Cache?.[0], way?.[0]]).toEqual(["fail", "pass"]);
  expect(JSON.stringify(Cache)).not.toContain("hunter2");
});

it("wants TLS beyond this machine", async () => {
  // An address for documentation: nobody is there.
  expect((await findings("redis://192.0.2.1:6379"))["Cache way"]?.[0]).toBe("fail");
});

describe.skipIf(withoutRedis)(`of a real server (${withoutRedis ?? "Redis"})`, () => {
  async function server(...options: string[]): Promise<RedisServer> {
    const started = await RedisServer.start(...options);
    onTestFinished(() => started.stop());
    return started;
  }

  it("passes one that is made for a cache", async () => {
    const { url } = await server("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
    const found = await findings(url);
    expect(found["Cache memory"]).toEqual(["pass", "at most 64 MiB, allkeys-lru"]);
    expect(found["Cache role"]?.[0]).toBe("pass");
    expect(found["Cache server"]?.[1]).toMatch(/^redis \d+\.\d+\.\d+/);
    expect(found["Cache latency"]?.[1]).toMatch(/ms$/);
  });

  it("warns of one without a bound, and fails a replica", async () => {
    const first = await server();
    const replica = await server("--replicaof", `127.0.0.1 ${first.port}`);
    expect((await findings(first.url))["Cache memory"]?.[0]).toBe("warn");
    expect((await findings(replica.url))["Cache role"]?.[0]).toBe("fail");
  });
});
