/** `millrace replay` beside a running system, which goes on with the rebuilt database by itself. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { projectFolder } from "../support/project-folder.ts";
import { Command, run } from "./command-line.ts";

const app = (factor: number) => `
import { defineDatabase, defineEvent, defineSystem, defineWorker, on, query } from "millrace";
import { z } from "zod";

const Paid = defineEvent("bill.paid", {
  data: z.object({ bill: z.string(), euros: z.number() }),
  key: ({ bill }) => bill,
});
const database = defineDatabase({
  migrations: {
    "001": (db) => db.schema.createTable("paid").addColumn("cents", "integer").execute(),
  },
});
const books = defineWorker("books", database, {
  handlers: [
    on(Paid, async ({ data }, { db, cache }) => {
      cache.touch("sum");
      await db.insertInto("paid").values({ cents: data.euros * ${factor} }).execute();
    }),
  ],
  queries: {
    sum: query({ input: z.object({}), cacheKey: () => "sum" }, ({ db }) =>
      db.selectFrom("paid").select(({ fn }) => fn.sum("cents").as("cents")).executeTakeFirst(),
    ),
  },
});
export default defineSystem("shop", { accepts: [Paid], workers: [books] });
`;

it("rebuilds beside what runs, and repeats in place", async () => {
  await using folder = await projectFolder();
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const env = { MILLRACE_PORT: port, MILLRACE_DATA: join(folder.path, "data"), MILLRACE_URL: url };
  const command = (...args: string[]) => run(args, { cwd: folder.path, env });
  await writeFile(join(folder.path, "wrong.mjs"), app(10));
  await writeFile(join(folder.path, "right.mjs"), app(100));
  await using system = new Command(["start", "wrong.mjs", "--workers", "books=2"], {
    cwd: folder.path,
    env,
  });
  await system.prints(/Try /);
  const publish = (euros: number) =>
    fetch(`${url}/events/bill.paid`, {
      method: "POST",
      headers: { "content-type": "application/json", prefer: "wait=20" },
      body: JSON.stringify({ bill: `b-${euros % 5}`, euros }),
    });
  const sum = async () => {
    const answer = await fetch(`${url}/books/sum`);
    return ((await answer.json()) as { cents: number }).cents;
  };
  for (let euros = 1; euros <= 40; euros++) expect((await publish(euros)).status).toBe(200);
  expect(await sum()).toBe(8_200);

  await writeFile(
    join(folder.path, "ends.mjs"),
    app(100).replace("cache.touch", "process.exit(0); $&"),
  );
  const ended = await command("replay", "books", "--from", "start", "--app", "ends.mjs");
  expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining("MR_REPLAY_ENDED") });

  const refused = [
    ["replay", "boks", "--from", "start", "--app", "right.mjs"],
    ["replay", "books", "--app", "right.mjs"],
    ["replay", "books", "--from", "yesterday", "--app", "right.mjs"],
    ["replay", "books", "--from", "start"],
    ["replay", "books", "--from", "start", "--in-place"],
    ["replay", "books", "--from", "start", "--repeat-effects", "--app", "right.mjs"],
    ["replay", "books", "--from", "1h", "--app", "right.mjs"],
    ["replay", "books", "--from", "3:999999", "--app", "right.mjs"],
  ];
  for (const args of refused) {
    const { code, stderr } = await command(...args);
    expect([args, code, stderr]).toEqual([
      args,
      expect.any(Number),
      expect.stringContaining("MR_"),
    ]);
    expect(code).toBeGreaterThan(0);
  }
  expect(await sum()).toBe(8_200);

  const rebuilt = await command("replay", "books", "--from", "start", "--app", "right.mjs");
  expect(rebuilt).toMatchObject({ code: 0, stdout: "books is rebuilt of 40 events.\n" });
  const until = (condition: () => Promise<void>) =>
    vi.waitFor(condition, { timeout: 20_000, interval: 50 });
  await until(async () => expect(await sum()).toBe(82_000));
  expect((await readdir(join(folder.path, "data/workers/books"))).sort()).toEqual(
    expect.arrayContaining(["current", "database-2.db", "database.db"]),
  );
  expect((await publish(1)).status).toBe(200);
  await until(async () => expect(await sum()).toBe(82_010));
  const status = await command("queue", "status", "--json");
  expect(status.stdout).toContain("books");

  const again = ["replay", "books", "--from", "1h", "--in-place", "--repeat-effects"];
  expect((await command(...again)).stderr).toContain("--yes");
  const repeated = await command(...again, "--yes");
  expect(repeated).toMatchObject({ code: 0, stdout: "books handles 41 events again.\n" });
  await until(async () => expect(await sum()).toBe(82_010 + 8_210));
});
