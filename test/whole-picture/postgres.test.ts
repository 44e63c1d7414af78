/**
 * The reference example, unchanged, with its workers' databases on a real PostgreSQL server: the
 * hops, the answers, a dead letter that is found and retried from the command line, a rebuild beside
 * the running system, and a server that is killed under load.
 */
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";
import { Picture, waitOptions } from "./picture.ts";

const root = new URL("../..", import.meta.url).pathname;

describePostgres("the whole picture on PostgreSQL", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const start = async () =>
    await Picture.start("examples/social/app.ts", [], {
      MILLRACE_DATABASE: await server.createDatabase(),
    });

  const publish = async ({ url }: Picture, type: string, data: object, prefer = "wait=10") =>
    await fetch(`${url}/events/${type}`, {
      method: "POST",
      headers: { "content-type": "application/json", prefer },
      body: JSON.stringify(data),
    });

  const read = async ({ url }: Picture, query: string) =>
    JSON.stringify(await (await fetch(`${url}/${query}`)).json());

  it("applies an event at both workers, and rebuilds one of them beside it", async () => {
    await using picture = await start();
    const post = { author: "ada", text: "hello @grace" };
    expect((await publish(picture, "post.published", post)).status).toBe(200);
    expect(await read(picture, "timelines/home?user=ada")).toContain("hello @grace");
    await vi.waitFor(async () => {
      expect(await read(picture, "notifications/list?user=grace")).toContain("ada");
    }, waitOptions);
    expect(picture.output).not.toContain("SQLite");

    const app = `${root}examples/social/app.ts`;
    const replayed = await picture.command(
      ...["replay", "timelines", "--from", "start", "--app", app, "--json"],
    );
    expect(JSON.parse(replayed)).toMatchObject({ events: 1, database: "millrace_timelines~2" });
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
    await using picture = await start();
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

  it("loses nothing, doubles nothing and gives up nothing when the server is killed", async () => {
    await using picture = await start();
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
    await Promise.all(sent).catch((e) => {
      console.log(picture.output);
      throw e;
    });
    await server.startAgain();
    send(120, 10);
    expect(new Set(await Promise.all(sent))).toEqual(new Set([202]));
    await vi.waitFor(async () => {
      const homes = await Promise.all(
        Array.from({ length: 7 }, (_, n) => read(picture, `timelines/profile?user=author${n}`)),
      );
      const posts = homes.flatMap((home) => JSON.parse(home).posts as { text: string }[]);
      expect(posts).toHaveLength(130);
      expect(new Set(posts.map(({ text }) => text)).size).toBe(130);
    }, waitOptions);
    expect(await picture.command("dead-letters", "list", "--json")).toBe("");
  });
});
