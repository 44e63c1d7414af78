/**
 * The reference example, unchanged, with its workers' databases, and its queue, on a real
 * PostgreSQL server: the answers, a dead letter that is found and discarded from the command line,
 * a rebuild beside the running system, and a server that is killed under load.
 */
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { Picture, waitOptions } from "./picture.ts";

const patience = { timeout: 60_000, interval: 100 };

const root = new URL("../..", import.meta.url).pathname;

describePostgres("the whole picture on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const start = async (isQueueThere: boolean, url?: string) => {
    url ??= await server.createDatabase();
    return await Picture.start("examples/social/app.ts", [], {
      MILLRACE_DATABASE: url,
      ...(isQueueThere ? { MILLRACE_QUEUE: url } : {}),
    });
  };

  const publish = async ({ url }: Picture, type: string, data: object, prefer = "wait=10") =>
    await fetch(`${url}/events/${type}`, {
      method: "POST",
      headers: { "content-type": "application/json", prefer },
      body: JSON.stringify(data),
    });

  const read = async ({ url }: Picture, query: string) =>
    JSON.stringify(await (await fetch(`${url}/${query}`)).json());

  it("applies an event at both workers, and rebuilds one of them beside it", {
    timeout: 120_000,
  }, async () => {
    await using picture = await start(true);
    const post = { author: "ada", text: "hello @grace" };
    expect((await publish(picture, "post.published", post)).status).toBe(200);
    expect(await read(picture, "timelines/home?user=ada")).toContain("hello @grace");
    await vi.waitFor(async () => {
      expect(await read(picture, "notifications/list?user=grace")).toContain("ada");
    }, waitOptions);
    expect(picture.output).not.toContain("SQLite");

    // A rebuild takes along what people have done.
    await picture.command("queue", "pause", "timelines");
    await picture.command("queue", "resume", "timelines");

    const app = `${root}examples/social/app.ts`;
    const replayed = await picture.command(
      ...["replay", "timelines", "--from", "start", "--app", app, "--json"],
    );
    expect(JSON.parse(replayed)).toMatchObject({ events: 1, database: "millrace_timelines~2" });
    const deeds = await picture.command("audit", "--worker", "timelines", "--json");
    expect(deeds.match(/"did":"\w+"/g)?.join()).toBe('"did":"pause","did":"resume","did":"replay"');
    const next = { author: "ada", text: "after the rebuild" };
    expect((await publish(picture, "post.published", next)).status).toBe(200);
    const home = await read(picture, "timelines/home?user=ada");
    expect(home).toContain("hello @grace");
    expect(home).toContain("after the rebuild");
    expect(await picture.command("queue", "status")).toContain("timelines");
    expect(await picture.command("check", app)).toBeDefined();
    expect(await picture.command("doctor", app)).toContain("timelines: all applied");
  });

  it("parks and buries what fails, and lets a person retry it", async () => {
    await using picture = await start(true);
    await publish(picture, "post.published", { author: "ada", text: "@grace #fail" }, "wait=1");
    await vi.waitFor(async () => {
      const letters = await picture.command("dead-letters", "list", "--json");
      expect(letters.trim().split("\n")).toHaveLength(1);
      expect(letters).toContain("@grace #fail");
    }, waitOptions);
    await picture.command("dead-letters", "discard", "--worker", "notifications", "--yes");
    await publish(picture, "post.published", { author: "ada", text: "@grace again" });
    await vi.waitFor(async () => {
      expect(await read(picture, "notifications/list?user=grace")).toContain("again");
    }, waitOptions);
  });

  it("loses nothing, doubles nothing and gives up nothing when the server is killed", {
    timeout: 120_000,
  }, async () => {
    const url = await server.createDatabase();
    await using picture = await start(false, url);
    const sent: Promise<number>[] = [];
    const send = (from: number, count: number) => {
      for (let n = from; n < from + count; n++) {
        const post = { author: `author${n % 7}`, text: `post ${n} @grace` };
        sent.push(publish(picture, "post.published", post, "").then(({ status }) => status));
      }
    };
    send(0, 40);
    await Promise.all(sent);
    send(40, 40);
    await server.kill();
    send(80, 40);
    await Promise.all(sent);
    await server.startAgain();
    send(120, 10);
    expect(new Set(await Promise.all(sent))).toEqual(new Set([202]));
    const count =
      "select count(*) as posts, count(distinct text) as texts from millrace_timelines.posts";
    await vi.waitFor(async () => {
      expect(await server.query(count, url)).toEqual([{ posts: "130", texts: "130" }]);
    }, patience);
    // No cache has outlived a commit, whose answer may have been lost.
    const homes = await Promise.all(
      Array.from({ length: 7 }, (_, n) => read(picture, `timelines/profile?user=author${n}`)),
    );
    expect(homes.flatMap((home) => JSON.parse(home).posts)).toHaveLength(130);
    expect(await picture.command("dead-letters", "list", "--json")).toBe("");
  });
});
