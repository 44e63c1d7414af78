/** `millrace check`: whether a new application can read what the old one left behind. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { projectFolder } from "../support/project-folder.ts";
import { Command, run } from "./command-line.ts";

const app = (event: string, handlers = "[on(Paid, pay)]") => `
import { defineDatabase, defineEvent, defineSystem, defineWorker, on, Reject } from "millrace";
import { z } from "zod";

const Paid = defineEvent("bill.paid", { key: ({ bill }) => bill, ${event} });
const pay = ({ data }) => {
  if (data.euros < 0) throw new Reject("no");
};
const books = defineWorker("books", defineDatabase({ migrations: {} }), { handlers: ${handlers} });
export default defineSystem("shop", { accepts: [Paid], workers: [books] });
`;
const euros = "data: z.object({ bill: z.string(), euros: z.number() })";
const cents = "data: z.object({ bill: z.string(), cents: z.number() })";
const upgraded = "version: 2, upgrade: { 1: ({ bill, euros }) => ({ bill, cents: euros * 100 }) }";

it("lists what could not be read, and nothing where upgrades read it", async () => {
  await using folder = await projectFolder();
  const port = String(await freePort());
  const env = {
    MILLRACE_PORT: port,
    MILLRACE_DATA: join(folder.path, "data"),
    MILLRACE_URL: `http://127.0.0.1:${port}`,
  };
  const command = (...args: string[]) => run(args, { cwd: folder.path, env });
  const write = (name: string, text: string) => writeFile(join(folder.path, name), text);
  await write("app.mjs", app(euros));
  await write("renamed.mjs", app(cents));
  await write("upgraded.mjs", app(`${cents}, ${upgraded}`));
  await write("without.mjs", app(euros, "[]"));
  {
    await using system = new Command(["start", "app.mjs"], { cwd: folder.path, env });
    await system.prints(/Try /);
    for (const [bill, amount] of Object.entries({ a: 1, b: 2, c: -3 })) {
      await command("events", "publish", "bill.paid", JSON.stringify({ bill, euros: amount }));
    }
    await command("events", "publish", "bill.paid", '{"bill":"d","euros":4}', "--at", "7d");
    await vi.waitFor(
      async () => {
        expect((await command("dead-letters", "list")).stdout).toContain("bill.paid");
      },
      { timeout: 20_000, interval: 100 },
    );
    expect(await command("check", "app.mjs")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("can read all of them"),
    });
  }
  const renamed = await command("check", "renamed.mjs");
  expect(renamed.code).toBe(1);
  expect(renamed.stdout).toMatch(/4× {2}queue {2}bill\.paid, version 1: #\/cents/);
  expect(renamed.stdout).toMatch(/1× {2}books, dead letter {2}bill\.paid, version 1: #\/cents/);
  expect(renamed.stdout).toMatch(/1× {2}books, scheduled {2}bill\.paid, version 1: #\/cents/);
  const json = await command("check", "renamed.mjs", "--json");
  expect(JSON.parse(json.stdout)).toMatchObject({
    checked: 6,
    unreadable: [{ where: "queue", count: 4 }, { count: 1 }, { count: 1 }],
  });
  expect(await command("check", "upgraded.mjs")).toMatchObject({ code: 0, stdout: "" });
  const without = await command("check", "without.mjs");
  expect(without.code).toBe(1);
  expect(without.stdout).toContain("books, dead letter  bill.paid, version 1: nothing in the");
  expect((await command("check", "missing.mjs")).stderr).toContain("MR_APP_NOT_FOUND");
});
