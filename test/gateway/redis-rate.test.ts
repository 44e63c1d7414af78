/**
 * One quota for all gateways, counted on a real Redis; each its share, from memory, while that is
 * gone, whether it is killed or merely silent.
 */
import { describe, expect, it, onTestFinished } from "vitest";
import { openRedisRateCounter } from "../../src/engines/redis/rate-counter.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { RedisServer, withoutRedis } from "../support/redis-server.ts";
import { ada, json, startGateway } from "./support.ts";

const rateLimits = { requests: 6, windowSeconds: 60 };

describe.skipIf(withoutRedis)(`quotas on Redis (${withoutRedis ?? "a real server"})`, () => {
  async function twoGateways() {
    const server = await RedisServer.start();
    onTestFinished(() => server.stop());
    const gateways = await Promise.all(
      [1, 2].map(async () => {
        const rateCounter = await openRedisRateCounter({
          url: server.url,
          system: "social",
          clock: systemClock,
          limit: rateLimits,
          shareOfRequests: 3,
        });
        onTestFinished(() => rateCounter.close());
        return await startGateway({ rateLimits, rateCounter });
      }),
    );
    const ask = async (at: number) => {
      const answer = await gateways[at % 2]?.fetch("/events/post.published", json(ada));
      const left = /r=(\d+)/.exec(answer?.headers.get("ratelimit") ?? "")?.[1];
      return [answer?.status, Number(left)];
    };
    return { server, ask };
  }

  it("counts what reaches any gateway", async () => {
    const { server, ask } = await twoGateways();
    const answers = [];
    for (let at = 0; at < 8; at++) answers.push(await ask(at));
    const left = [5, 4, 3, 2, 1, 0].map((left) => [202, left]);
    expect(answers).toEqual([...left, [429, 0], [429, 0]]);
    const keys = server.cli("keys", "*").split("\n");
    for (const key of keys) {
      expect(key).toMatch(/^\{millrace:social\}:rate/);
      expect(Number(server.cli("pttl", key))).toBeGreaterThan(0);
    }
  });

  it.each(["killed", "silent"])("lets each gateway have its share while it is %s", async (how) => {
    const { server, ask } = await twoGateways();
    expect(await ask(0)).toEqual([202, 5]);
    if (how === "killed") await server.kill();
    else server.pause();
    for (const at of [0, 1]) {
      const statuses = [];
      for (let turn = 0; turn < 4; turn++) statuses.push(await ask(at));
      expect(statuses).toEqual([
        [202, 2],
        [202, 1],
        [202, 0],
        [429, 0],
      ]);
    }
  });
});
