/**
 * `npm run traffic` makes people post at about the rate that it is asked for, says what became of
 * it in lines that a file can hold, and explains itself where the system cannot be reached.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createClient } from "millrace/client";
import { expect, it, vi } from "vitest";
import { seededRandom } from "../../examples/random.ts";
import { startSystem } from "../../examples/running-system.ts";
import type social from "../../examples/social/app.ts";
import { Crowd, names } from "../../examples/social/crowd.ts";

const path = (name: string) =>
  fileURLToPath(new URL(`../../examples/social/${name}`, import.meta.url));

async function traffic(...parameters: string[]) {
  const child = spawn(process.execPath, [path("traffic.ts"), ...parameters]);
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const [status] = await once(child, "close");
  return { told, status };
}

it("posts, and every post that it counts as accepted is there", async () => {
  await using system = await startSystem(path("app.ts"), {
    readyPaths: ["/timelines/home?user=ada", "/notifications/list?user=ada"],
  });
  const { told, status } = await traffic("--url", system.url, "--rate", "25", "--seconds", "2");
  expect(told).toMatch(/^done {3}[\d.]+ posts\/s of 25 {3}\d+ accepted {3}0 errors\n$/m);
  expect(told).not.toContain("\r");
  expect(status).toBe(0);

  const accepted = Number(/(\d+) accepted {3}0 errors\n$/.exec(told)?.[1]);
  expect(accepted).toBeGreaterThan(0);
  const client = createClient<typeof social>({ url: system.url });
  const postsOf = async (user: string) =>
    (await client.query("timelines", "profile", { user })).posts.length;
  await vi.waitFor(async () => {
    const counts = await Promise.all(names.map(postsOf));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(accepted);
  }, 10_000);
});

it("says that the system cannot be reached", async () => {
  const { told, status } = await traffic("--url", "http://127.0.0.1:9", "--seconds", "1");
  expect(told).toMatch(/http:\/\/127\.0\.0\.1:9 cannot be reached\. Is the system running\?/);
  expect(status).toBe(1);
});

it("refuses a rate that is none", async () => {
  const { told, status } = await traffic("--rate", "fast");
  expect(told).toBe("--rate is fast, but must be a whole number above 0.\n");
  expect(status).toBe(2);
});

it("makes the same crowd of the same seed", () => {
  const crowd = (seed: number) => {
    const people = new Crowd(seededRandom(seed));
    return { follows: people.follows(), posts: Array.from({ length: 20 }, () => people.post()) };
  };
  expect(crowd(1)).toEqual(crowd(1));
  expect(crowd(1)).not.toEqual(crowd(2));
});
