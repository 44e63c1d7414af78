/**
 * The admin port of a started system: as a process of its own under `start`, whose end harms nobody
 * else, and within the one process of `dev`.
 */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Command, run } from "../cli/command-line.ts";
import { freePorts } from "../support/free-port.ts";
import { projectFolder } from "../support/project-folder.ts";

const app = `
import { defineDatabase, defineEvent, defineSystem, defineWorker, on, Reject } from "millrace";
import { z } from "zod";

const Paid = defineEvent("bill.paid", {
  data: z.object({ bill: z.string(), euros: z.number() }),
  key: ({ bill }) => bill,
});
const database = defineDatabase<Record<string, never>>({ migrations: {} });
const books = defineWorker("books", database, {
  handlers: [
    on(Paid, async ({ data }) => {
      if (data.euros < 0) throw new Reject("less than nothing");
    }),
  ],
});
export default defineSystem("shop", { accepts: [Paid], workers: [books] });
`;

let folder: AsyncDisposable & { readonly path: string };
let env: Record<string, string>;
let url: string;
let admin: string;
const running: Command[] = [];
const json = { "content-type": "application/json" };

beforeEach(async () => {
  folder = await projectFolder();
  await writeFile(join(folder.path, "app.ts"), app);
  const [port, adminPort] = await freePorts(2);
  url = `http://127.0.0.1:${port}`;
  admin = `http://127.0.0.1:${adminPort}`;
  env = {
    MILLRACE_PORT: String(port),
    MILLRACE_DASHBOARD_PORT: String(adminPort),
    MILLRACE_DATA: join(folder.path, "data"),
    MILLRACE_GATEWAYS: "1",
  };
});
afterEach(async () => {
  for (const command of running.splice(0)) await command.stop("SIGKILL");
  await folder[Symbol.asyncDispose]();
});

function begin(args: readonly string[], more: Record<string, string> = {}): Command {
  const command = new Command(args, { cwd: folder.path, env: { ...env, ...more } });
  running.push(command);
  return command;
}

const pay = (euros: number, headers: Record<string, string> = {}) =>
  fetch(`${url}/events/bill.paid`, {
    method: "POST",
    headers: { ...json, prefer: "wait=20", ...headers },
    body: JSON.stringify({ bill: "a", euros }),
  });

// biome-ignore lint/suspicious/noExplicitAny: a test looks at whatever came.
const ask = async (path: string, init: RequestInit = {}): Promise<any> =>
  await (await fetch(admin + path, init)).json();

async function untilDead(): Promise<string> {
  const published = (await (await pay(-1)).json()) as { id: string };
  await vi.waitFor(async () => expect((await ask("/dead-letters")).count).toBe(1), {
    timeout: 20_000,
    interval: 50,
  });
  return published.id;
}

/** Mends and retries a dead letter by what the application that runs says. */
async function mend(id: string): Promise<void> {
  const path = `/dead-letters/books/${id}`;
  const put = (data: unknown) =>
    ask(`${path}/data`, { method: "PUT", headers: json, body: JSON.stringify(data) });
  const post = (verb: string) => ask(`${path}/${verb}`, { method: "POST", headers: json });
  expect((await post("dry-run")).error.message).toBe("less than nothing");
  expect(await put({ bill: "a", euros: "many" })).toMatchObject({ code: "MR_DATA_INVALID" });
  expect(await put({ bill: "a", euros: 1 })).toMatchObject({ id, data: { euros: 1 } });
  expect((await post("dry-run")).error).toBeNull();
  expect(await post("retry")).toMatchObject({ id, count: 1 });
  await vi.waitFor(
    async () => {
      const event = (await (await fetch(`${url}/events/${id}`)).json()) as { state: string };
      expect(event.state).toBe("done");
    },
    { timeout: 20_000, interval: 50 },
  );
}

it("runs beside the others under start, and its end harms nobody", async () => {
  const started = begin(["start", "app.ts"]);
  await started.prints(/Admin +http:\/\/localhost:\d+ .*\n/);
  expect(started.stderr).toContain(`http://localhost:${new URL(admin).port}`);
  await mend(await untilDead());
  expect(await ask("/queue")).toMatchObject({ workers: [{ worker: "books", lagEvents: 0 }] });
  const pid = /"box":"admin","pid":(\d+)/.exec(started.stdout)?.[1];
  process.kill(Number(pid), "SIGKILL");
  expect((await pay(1)).status).toBe(200);
  await vi.waitFor(async () => expect((await ask("/readyz")).status).toBe("pass"), {
    timeout: 20_000,
    interval: 50,
  });
  expect((await ask("/dead-letters")).count).toBe(0);
  const { code } = await started.stop("SIGINT");
  expect(code).toBe(0);
  await expect(ask("/livez")).rejects.toThrow();
});

it.each(["sqlite:", "memory:"])("runs within the one process of dev, on %s", async (engine) => {
  const engines = { MILLRACE_QUEUE: engine, MILLRACE_DATABASE: engine };
  const started = begin(["dev", "app.ts"], engines);
  await started.prints(/Admin +http:\/\/localhost:\d+/);
  await mend(await untilDead());
});

it("names a port that is taken, and the variable that moves it", async () => {
  const holder = createServer().listen(Number(new URL(admin).port), "127.0.0.1");
  const { code, stderr } = await begin(["start", "app.ts"]).ended;
  holder.close();
  expect(code).toBe(3);
  expect(stderr).toContain(`MR_PORT_TAKEN  127.0.0.1:${new URL(admin).port} is taken`);
  expect(stderr).toContain("set MILLRACE_DASHBOARD_PORT to a free port");
});

it("is left out where it is turned off", async () => {
  const started = begin(["start", "app.ts", "--admin-port", "off", "--json"]);
  await started.prints(/"system".*\n/);
  expect((await pay(1)).status).toBe(200);
  await expect(ask("/livez")).rejects.toThrow();
  const line = started.stdout.split("\n").find((text) => text.startsWith('{"system"'));
  const { adminPort, boxes } = JSON.parse(line ?? "");
  expect(adminPort).toBeNull();
  expect(boxes.map(({ kind }: { kind: string }) => kind)).not.toContain("admin");
  const alone = await begin(["start", "app.ts", "--only", "admin", "--admin-port", "off"]).ended;
  expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining("turns off") });
});

it("runs alone, beside parts that were started apart", async () => {
  for (const only of ["worker:books", "gateway", "balancer", "admin"]) {
    begin(["start", "app.ts", "--only", only]);
  }
  const isUp = { timeout: 30_000, interval: 50 };
  await vi.waitFor(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200), isUp);
  await vi.waitFor(async () => expect((await ask("/readyz")).status).toBe("pass"), isUp);
  await mend(await untilDead());
});

it("asks for keys where the API does, and beyond this machine always", async () => {
  const open = await begin(["start", "app.ts", "--admin-host", "0.0.0.0"]).ended;
  expect(open).toMatchObject({ code: 3, stderr: expect.stringContaining("MR_AUTH_REQUIRED") });
  const key = async (scope: string) => {
    const made = await run(["keys", "create", scope.replaceAll(":", "-"), "--scope", scope], {
      cwd: folder.path,
      env,
    });
    return { authorization: `Bearer ${made.stdout.trim()}` };
  };
  const [reads, publishes] = [await key("admin:read:books"), await key("events:publish")];
  const started = begin(["start", "app.ts", "--admin-host", "0.0.0.0", "--auth", "keys"]);
  await started.prints(/Try /);
  expect(await ask("/queue/books")).toMatchObject({ code: "MR_UNAUTHENTICATED" });
  expect(await ask("/queue/books", { headers: publishes })).toMatchObject({ code: "MR_FORBIDDEN" });
  expect(await ask("/queue/books", { headers: reads })).toMatchObject({ worker: "books" });
  expect((await pay(1, reads)).status).toBe(403);
  expect(started.stdout + started.stderr).not.toContain(reads.authorization.slice(7));
});
