/** `millrace queue`: how far a worker is, and what a person can do about it. */
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { projectFolder } from "../support/project-folder.ts";
import { Command, run } from "./command-line.ts";

it("tells how far a worker is, pauses it, passes over an event, and lets it go on", async () => {
  await using folder = await projectFolder();
  const port = String(await freePort());
  const env = {
    MILLRACE_PORT: port,
    MILLRACE_DATA: join(folder.path, "data"),
    MILLRACE_URL: `http://127.0.0.1:${port}`,
    MILLRACE_PARTITIONS: "2",
  };
  const command = (...args: string[]) => run(args, { cwd: folder.path, env });
  await command("init", "app");
  await using system = new Command(["start", "app/app.ts"], { cwd: folder.path, env });
  await system.prints(/Try /);
  const publish = async (text: string) => {
    const data = JSON.stringify({ author: "ada", text });
    const { stdout } = await command("events", "publish", "note.written", data, "--json");
    return JSON.parse(stdout) as { id: string; partition: number };
  };
  const status = async () => {
    const { stdout } = await command("queue", "status", "--worker", "notes", "--json");
    return (JSON.parse(stdout) as { partitions: { isPaused: boolean; lagEvents: number }[] })
      .partitions;
  };
  expect(await command("queue", "pause", "notes")).toMatchObject({
    code: 0,
    stdout: "notes: 2 partitions are paused.\n",
  });
  // Within a beat the running instance has noticed, so that events stay where they are.
  await vi.waitFor(
    async () => {
      await publish("waiting");
      expect((await status()).reduce((sum, { lagEvents }) => sum + lagEvents, 0)).toBeGreaterThan(
        1,
      );
    },
    { timeout: 20_000, interval: 300 },
  );
  const table = await command("queue", "status");
  expect(table.stdout).toMatch(/notes +paused +\d+/);
  expect((await command("queue", "status", "--partitions")).stdout).toMatch(/notes +1 /);
  const { partition } = await publish("the last one");
  const skipped = await command("queue", "skip", "notes", "--partition", String(partition));
  expect(skipped).toMatchObject({ code: 0, stdout: expect.stringContaining("dead letters now") });
  expect((await command("dead-letters", "list")).stdout).toContain("Skipped:");
  expect((await command("queue", "resume", "notes")).code).toBe(0);
  await vi.waitFor(
    async () => {
      const partitions = await status();
      expect(partitions.map(({ isPaused, lagEvents }) => [isPaused, lagEvents])).toEqual([
        [false, 0],
        [false, 0],
      ]);
    },
    { timeout: 20_000, interval: 300 },
  );
  expect(await command("queue", "pause", "notes", "--partition", "9")).toMatchObject({ code: 2 });
  expect(await command("queue", "skip", "notes")).toMatchObject({ code: 2 });
  expect(await command("queue", "skip", "notes", "--key", "nobody")).toMatchObject({ code: 1 });
});
