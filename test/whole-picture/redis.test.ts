/**
 * The reference example with its caches and quotas on a real Redis: the same thirteen hops; and
 * when Redis is killed, events are still accepted and applied, queries answered from the database
 * are never older than what was applied, and the cache comes back by itself.
 */
import { expect, it, vi } from "vitest";
import { RedisServer, withoutRedis } from "../support/redis-server.ts";
import { Picture, waitOptions } from "./picture.ts";

const app = "examples/social/app.ts";

it.skipIf(withoutRedis)(
  "goes on without Redis, and with it again",
  async () => {
    await using redis = await RedisServer.start();
    await using picture = await Picture.start(app, [], {
      MILLRACE_CACHE: redis.url,
      MILLRACE_RATE_PER_MINUTE: "1000",
    });
    let posts = 0;
    /** Publishes, waits until it is applied, and sees it. */
    const publishAndSee = async () => {
      const text = `post ${++posts} @grace`;
      const answer = await fetch(`${picture.url}/events/post.published`, {
        method: "POST",
        headers: { "content-type": "application/json", prefer: "wait=30" },
        body: JSON.stringify({ author: "ada", text }),
      });
      expect(answer.status).toBe(200);
      const home = await fetch(`${picture.url}/timelines/home?user=ada`);
      expect(JSON.stringify(await home.json())).toContain(text);
      return ((await answer.json()) as { id: string }).id;
    };
    const values = () => redis.cli("keys", "*:timelines}:*:v:*").split("\n").filter(Boolean);

    const id = await publishAndSee();
    await vi.waitFor(async () => {
      const trace = await fetch(`${picture.url}/events/${id}/trace`);
      const { traces } = (await trace.json()) as { traces: { spans: { hop?: number }[] }[] };
      const hops = traces.flatMap(({ spans }) => spans).filter(({ hop }) => hop !== undefined);
      expect(hops).toHaveLength(13);
    }, waitOptions);
    await vi.waitFor(async () => {
      await publishAndSee();
      expect(values().length).toBeGreaterThan(0);
    }, waitOptions);

    await redis.kill();
    for (let turn = 0; turn < 3; turn++) await publishAndSee();
    await redis.start();
    expect(values()).toEqual([]);
    await vi.waitFor(async () => {
      await publishAndSee();
      expect(values().length).toBeGreaterThan(0);
    }, waitOptions);
    const letters = await picture.command("dead-letters", "list", "--json");
    // One a line: there is none.
    expect(letters).toBe("");
  },
  180_000,
);
