/** `millrace dead-letters` from the first look to the last retry, beside a running system. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { projectFolder } from "../support/project-folder.ts";
import { Command, run } from "./command-line.ts";

const app = `
import { defineDatabase, defineEvent, defineSystem, defineWorker, on, Reject } from "millrace";
import { z } from "zod";

const Paid = defineEvent("bill.paid", {
  data: z.object({ bill: z.string(), euros: z.number() }),
  key: ({ bill }) => bill,
});
const database = defineDatabase<{ payments: { id: string; euros: number } }>({
  migrations: {
    "001": (db) =>
      db.schema.createTable("payments").addColumn("id", "text").addColumn("euros", "integer").execute(),
  },
});
const books = defineWorker("books", database, {
  handlers: [
    on(Paid, { whenDead: "hold" }, async ({ id, data }, { db }) => {
      if (data.euros < 0) throw new Reject(\`\${data.euros} euros cannot be paid\`);
      await db.insertInto("payments").values({ id, euros: data.euros }).execute();
    }),
  ],
});
export default defineSystem("shop", { accepts: [Paid], workers: [books] });
`;

it("shows, tries, mends, retries and discards", async () => {
  await using folder = await projectFolder();
  await writeFile(join(folder.path, "app.ts"), app);
  const port = String(await freePort());
  const env = {
    MILLRACE_PORT: port,
    MILLRACE_DATA: join(folder.path, "data"),
    MILLRACE_URL: `http://127.0.0.1:${port}`,
  };
  const command = (...args: string[]) => run(args, { cwd: folder.path, env });
  await using system = new Command(["start", "app.ts"], { cwd: folder.path, env });
  await system.prints(/Try /);
  const publish = (bill: string, euros: number) =>
    command("events", "publish", "bill.paid", JSON.stringify({ bill, euros }), "--json");
  const bad = await publish("a", -1);
  const { id } = JSON.parse(bad.stdout) as { id: string };
  for (const euros of [-2, -3]) await publish(`other-${-euros}`, euros);
  const behind = JSON.parse((await publish("a", 7)).stdout) as { id: string };
  const letters = (...args: string[]) => command("dead-letters", ...args);
  await vi.waitFor(async () => expect((await letters("list")).stdout.split("\n")).toHaveLength(4), {
    timeout: 20_000,
    interval: 100,
  });

  expect((await letters("list", "--key", "a")).stdout).toMatch(
    new RegExp(`${id}  books  bill.paid  a  held  1×  Reject: -1 euros cannot be paid`),
  );
  expect((await letters("list", "--group")).stdout).toMatch(/^[0-9a-f]{16} {2}3× {2}books/);
  const shown = await letters("show", id);
  expect(shown.stdout).toContain('data         {"bill":"a","euros":-1}');
  expect(shown.stdout).toMatch(/millrace 0\.1\.0/);
  expect(shown.stdout).toMatch(/app\.ts:\d+/);
  expect(JSON.parse((await letters("show", id, "--json")).stdout)).toMatchObject({
    id,
    worker: "books",
    isHeld: true,
    data: { euros: -1 },
  });
  expect((await letters("export")).stdout.trim().split("\n")).toHaveLength(3);

  const dry = await letters("retry", id, "--dry-run", "--app", "app.ts");
  expect(dry).toMatchObject({ code: 1, stdout: expect.stringContaining("It would fail again") });
  const wrong = await letters("edit", id, '{"bill":"a","euros":"many"}', "--app", "app.ts");
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("MR_DATA_INVALID") });
  const moved = await letters("edit", id, '{"bill":"b","euros":1}', "--app", "app.ts");
  expect(moved).toMatchObject({ code: 2, stderr: expect.stringContaining("its key would be") });
  const mended = await letters("edit", id, '{"bill":"a","euros":5}', "--app", "app.ts", "--retry");
  expect(mended.code).toBe(0);
  await vi.waitFor(
    async () => {
      const standing = await command("events", "show", behind.id, "--json");
      expect(JSON.parse(standing.stdout)).toMatchObject({ state: "done" });
    },
    { timeout: 20_000, interval: 100 },
  );

  const unsure = await letters("discard", "--type", "bill.paid");
  expect(unsure).toMatchObject({ code: 2, stderr: expect.stringContaining("2 dead letters") });
  for (const aimless of [["retry"], ["discard", "--yes"], ["retry", "--yes", "--rate", "5"]]) {
    const refused = await letters(...aimless);
    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("MR_FILTER_MISSING"),
    });
  }
  const unread = await letters("retry", "--fingerprint", "0123456789abcdef", "--yes");
  expect(unread).toMatchObject({ code: 1, stderr: expect.stringContaining("MR_EVENT_NOT_FOUND") });
  const misread = await letters("list", "--fingerprint", "3f9a");
  expect(misread).toMatchObject({ code: 2, stderr: expect.stringContaining("hexadecimal") });
  const late = await letters("list", "--until", "tomorrow");
  expect(late).toMatchObject({ code: 2, stderr: expect.stringContaining("--until") });
  const gone = await letters("discard", "--type", "bill.paid", "--yes", "--rate", "50");
  expect(gone).toMatchObject({ code: 0, stdout: "2 discarded.\n" });
  expect(await letters("list")).toMatchObject({ code: 0, stdout: "" });
  const deeds = (await command("audit", "--json")).stdout.trim().split("\n");
  expect(deeds.map((deed) => JSON.parse(deed))).toMatchObject([
    { worker: "books", did: "edit", what: { ids: [id] } },
    { worker: "books", did: "retry", what: { ids: [id] } },
    { worker: "books", did: "discard", who: expect.stringContaining("(command line)") },
  ]);
  expect(await letters("show", id)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("MR_EVENT_NOT_FOUND"),
  });
  expect(await letters("list", "--worker", "boks")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("books"),
  });
});
