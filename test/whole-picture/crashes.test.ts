/**
 * Processes are killed under load with `kill -9`. No request fails, nothing accepted is lost, no
 * effect happens twice, no key gets out of order; and the requests are spread evenly.
 */

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, vi } from "vitest";
import { Picture, waitOptions } from "./picture.ts";

interface Accepted {
  readonly id: string;
  readonly author: string;
  readonly n: number;
}

/** Publishes one after another per author; every request must be accepted. */
async function publishUntil(url: string, author: string, isOver: () => boolean) {
  const accepted: Accepted[] = [];
  const failed: string[] = [];
  for (let n = 1; !isOver(); n++) {
    const answer = await fetch(`${url}/events/post.published`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ author, text: `post ${n} for @reader` }),
    }).catch((error: Error) => error);
    if (answer instanceof Error) failed.push(`${author} ${n}: ${answer.message}`);
    else if (answer.status !== 202) failed.push(`${author} ${n}: ${await answer.text()}`);
    else accepted.push({ id: ((await answer.json()) as { id: string }).id, author, n });
  }
  return { accepted, failed };
}

it("loses nothing and repeats nothing while gateways and workers are killed", async () => {
  await using picture = await Picture.start("examples/social/app.ts", ["--workers", "timelines=2"]);
  let isOver = false;
  const authors = Array.from({ length: 8 }, (_, index) => `author-${index}`);
  const load = authors.map((author) => publishUntil(picture.url, author, () => isOver));
  for (const box of [
    "gateway-1",
    "worker-timelines-1",
    "gateway-2",
    "worker-notifications-1",
    "worker-timelines-2",
    "gateway-1",
  ]) {
    await picture.kill(box);
  }
  isOver = true;
  const results = await Promise.all(load);
  expect(results.flatMap(({ failed }) => failed).slice(0, 5)).toEqual([]);
  const accepted = results.flatMap((result) => result.accepted);
  expect(accepted.length).toBeGreaterThan(100);

  const posts = await effects(picture, "timelines", "posts", accepted.length);
  expect(posts.map(({ id }) => id).toSorted()).toEqual(accepted.map(({ id }) => id).toSorted());
  for (const author of authors) {
    const sent = accepted.filter((event) => event.author === author).map(({ id }) => id);
    expect(posts.filter((post) => post.author === author).map(({ id }) => id)).toEqual(sent);
  }
  const notified = await effects(picture, "notifications", "notifications", accepted.length);
  expect(notified).toHaveLength(accepted.length);
  expect(await picture.stop()).toBe(0);
});

it("renews its gateways one after another without a failed request", async () => {
  await using picture = await Picture.start();
  const gateways = async () =>
    (await picture.boxes()).filter(({ name }) => name.startsWith("gateway-"));
  const before = await gateways();
  let isOver = false;
  const load = ["a", "b", "c", "d"].map((author) =>
    publishUntil(picture.url, author, () => isOver),
  );
  picture.signal("SIGHUP");
  await vi.waitFor(async () => {
    expect(picture.output.match(/was renewed/g)).toHaveLength(2);
  }, waitOptions);
  isOver = true;
  const results = await Promise.all(load);
  expect(results.flatMap(({ failed }) => failed).slice(0, 5)).toEqual([]);
  const pids = new Set(before.map(({ pid }) => pid));
  expect((await gateways()).filter(({ pid }) => pids.has(pid))).toEqual([]);
});

it("drains on a SIGTERM to all its processes: what was accepted is there after the next start", async () => {
  await using picture = await Picture.start();
  const boxes = await picture.boxes();
  const isStopping = { now: false };
  const load = publishUntil(picture.url, "ada", () => isStopping.now);
  await vi.waitFor(async () => {
    const home = await fetch(`${picture.url}/timelines/home?user=ada`);
    expect(((await home.json()) as unknown[]).length).toBeGreaterThan(0);
  }, waitOptions);
  for (const { pid } of boxes) process.kill(pid, "SIGTERM");
  const stopped = picture.stop();
  isStopping.now = true;
  const { accepted } = await load;
  expect(await stopped).toBe(0);
  expect(picture.output).not.toMatch(/begins again|was renewed/);
  expect(await picture.boxes()).toEqual([]);
  await picture.startAgain();
  const posts = await effects(picture, "timelines", "posts", accepted.length);
  expect(posts.map(({ id }) => id)).toEqual(expect.arrayContaining(accepted.map(({ id }) => id)));
});

/** The rows of a worker's table in the order of their writing, once there are enough. */
async function effects(picture: Picture, worker: string, table: string, count: number) {
  const file = join(picture.data, "workers", worker, "database.db");
  return await vi.waitFor(() => {
    using database = new DatabaseSync(file, { readOnly: true });
    const rows = database.prepare(`select * from ${table} order by rowid`).all() as {
      id: string;
      author?: string;
    }[];
    expect(rows.length).toBeGreaterThanOrEqual(count);
    return rows;
  }, waitOptions);
}
