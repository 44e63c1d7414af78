/** What `millrace move` says, and refuses, where everything is on this machine. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { openSqliteQueue } from "../../src/engines/sqlite/queue.ts";
import { sealText } from "../../src/queue/seal.ts";
import { openDataFolder } from "../../src/runtime/data-folder.ts";
import { lockBoxes } from "../../src/runtime/data-lock.ts";
import { run } from "../cli/command-line.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-move-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const app = "test/move/app.ts";
const there = "postgres://ada:secret@127.0.0.1:1/shop";

it("explains itself", async () => {
  const { stdout } = await run(["move", "--help"]);
  for (const word of ["--to", "--from", "--dry-run", "--reopen", "--data"]) {
    expect(stdout).toContain(word);
  }
});

it.each([
  ["no target", [], "It is not said where to"],
  ["three addresses", ["--to", "sqlite:,sqlite:,sqlite:"], "not the addresses of a queue"],
  ["memory", ["--to", "memory:"], "in memory"],
  ["the place where it is", ["--to", "sqlite:"], "each to another place"],
  ["half a move", ["--to", `${there},sqlite:`], "each to another place"],
  ["another engine", ["--to", "kafka://one:9092"], "MR_CONFIG_INVALID"],
  ["no data", ["--to", there], "There is no data folder"],
])("refuses %s", async (_, args, says) => {
  const { code, stderr } = await run(["move", app, ...args, "--data", join(folder, "none")]);
  expect(stderr).toContain(says);
  expect(stderr).not.toContain("secret");
  expect(code).toBeGreaterThan(0);
});

it("refuses a system that runs, and a server that does not, and leaves the source open", async () => {
  const path = join(folder, "running");
  const data = await openDataFolder(path);
  await (await openSqliteQueue({ folder: data.queue })).close();
  const args = ["move", app, "--to", there, "--data", path];
  {
    await using _lock = await lockBoxes(data, ["worker-ledger"]);
    const { stderr, code } = await run(args);
    expect(stderr).toContain("MR_MOVE_SOURCE");
    expect(stderr).toContain(`worker-ledger (pid ${process.pid})`);
    expect(code).toBe(3);
  }
  const { stderr } = await run(args);
  expect(stderr).toMatch(/MR_(DATABASE|QUEUE)_UNAVAILABLE/);
  expect(stderr).not.toContain("secret");
  const queue = await openSqliteQueue({ folder: data.queue });
  expect(queue.seal).toBeUndefined();
  await queue.close();
});

it.each([["--dry-run"], ["--reopen"], ["--to", there]])(
  "makes no queue where none is: %s",
  async (...how) => {
    const path = join(folder, "nothing");
    await openDataFolder(path);
    const { stderr, code } = await run(["move", app, ...how, "--data", path]);
    expect(stderr).toContain("MR_MOVE_SOURCE  There is no queue at");
    expect(code).toBe(3);
    expect(existsSync(join(path, "queue"))).toBe(false);
  },
);

it("does not look past a worker that is not there, and opens again what was moved away", async () => {
  const path = join(folder, "moved");
  const data = await openDataFolder(path);
  const queue = await openSqliteQueue({ folder: data.queue });
  await queue.setSeal(sealText({ state: "moved", to: "another", where: "nats://one", at: 0 }));
  await queue.close();
  const command = (...args: string[]) => run([...args, "--data", path]);
  const dry = await command("move", app, "--dry-run", "--json");
  expect(dry.stderr).toContain("There is no database of ledger, mirror where the system is");
  expect(dry.code).toBe(3);
  const start = ["start", app, "--port", "0", "--admin-port", "off"];
  const refused = await command(...start);
  expect(refused.stderr).toContain("The system was moved to nats://one at 1970");
  expect(await command("move", app, "--reopen")).toMatchObject({ code: 0 });
  const again = await command("move", app, "--reopen");
  expect(again.stderr).toContain("The queue is open");
  const opened = await openSqliteQueue({ folder: data.queue });
  expect(opened.seal).toBeUndefined();
  await opened.close();
});
