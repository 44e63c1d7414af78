/**
 * Every command on a new application, as its author meets them: what they print, what they refuse,
 * and how they end. Proven with real processes on free ports and folders of their own.
 */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { freePort } from "../support/free-port.ts";
import { projectFolder } from "../support/project-folder.ts";
import { Command, run } from "./command-line.ts";

const execFileAsync = promisify(execFile);

let folder: string;
let removal: AsyncDisposable & { readonly path: string };
let env: NodeJS.ProcessEnv;
let url: string;
const running: Command[] = [];

beforeEach(async () => {
  const port = await freePort();
  removal = await projectFolder();
  folder = removal.path;
  url = `http://127.0.0.1:${port}`;
  env = { MILLRACE_PORT: String(port), MILLRACE_DATA: join(folder, "data"), MILLRACE_URL: url };
  await run(["init", "app"], { cwd: folder });
});
afterEach(async () => {
  for (const command of running.splice(0)) await command.stop("SIGKILL");
  await removal[Symbol.asyncDispose]();
});

function begin(args: readonly string[], more: NodeJS.ProcessEnv = {}): Command {
  const command = new Command(args, { cwd: folder, env: { ...env, ...more } });
  running.push(command);
  return command;
}

const isReady = async () => {
  const answer = await fetch(`${url}/readyz`).catch(() => undefined);
  if (answer?.status !== 200) throw new Error("not ready yet");
};
const until = (condition: () => unknown) =>
  vi.waitFor(condition, { timeout: 30_000, interval: 50 });

it("says what runs where, what to open and what to try, and the line to try works", async () => {
  const started = begin(["start", "app/app.ts"]);
  await started.prints(/Try .*\n/);
  expect(started.stderr).toMatch(/API +http:\/\/localhost:\d+ +balancer → gateway 1, gateway 2/);
  expect(started.stderr).toMatch(/Workers +notes /);
  const { stdout } = await execFileAsync("bash", [
    "-c",
    `curl -sS ${/Try +curl (.*)/.exec(started.stderr)?.[1]}`,
  ]);
  expect(JSON.parse(stdout)).toMatchObject({ durable: "disk" });
  const { code, stderr } = await started.stop("SIGINT");
  expect(code).toBe(0);
  expect(stderr).toContain("Stopped.");
});

it("prints what runs as JSON where it was asked to", async () => {
  const started = begin(["start", "app/app.ts", "--json", "--gateways", "1"]);
  await until(isReady);
  await started.prints(/"system".*\n/);
  // The log's lines are JSON, too, and come on the same stream.
  const line = started.stdout.split("\n").find((text) => text.startsWith('{"system"'));
  const { system, boxes } = JSON.parse(line ?? "");
  expect(system).toBe("app");
  expect(boxes.map(({ name }: { name: string }) => name).sort()).toEqual([
    "admin",
    "balancer",
    "gateway-1",
    "worker-notes-1",
  ]);
});

it("names a port that is taken, and a data folder that is in use", async () => {
  begin(["start", "app/app.ts"]);
  await until(isReady);
  const other = { MILLRACE_DATA: join(folder, "other") };
  const port = await begin(["start", "app/app.ts"], other).ended;
  expect(port).toMatchObject({ code: 3, stderr: expect.stringContaining("MR_PORT_TAKEN") });
  expect(port.stderr).toContain(new URL(url).port);
  const elsewhere = { MILLRACE_PORT: String(await freePort()) };
  const data = await begin(["start", "app/app.ts"], elsewhere).ended;
  expect(data).toMatchObject({ code: 3, stderr: expect.stringContaining("MR_DATA_UNUSABLE") });
  expect(data.stderr).toContain(join(folder, "data"));
});

it.each([
  ["a worker that there is not", ["--workers", "nots=2"], /nots.*notes/s],
  ["a box that there is not", ["--only", "worker:nots"], /nots.*notes/s],
  ["an address beyond this machine without authentication", ["--host", "0.0.0.0"], /AUTH_REQUIRED/],
])("refuses %s", async (_what, options, message) => {
  const { code, stderr } = await begin(["start", "app/app.ts", ...options]).ended;
  expect(code).toBeGreaterThanOrEqual(2);
  expect(stderr).toMatch(message);
});

it("runs the picture in parts, which find each other", async () => {
  const parts = ["worker:notes", "gateway", "balancer"].map((only) =>
    begin(["start", "app/app.ts", "--only", only]),
  );
  await until(isReady);
  const published = await run(
    ["events", "publish", "note.written", '{"author":"ada","text":"hi"}', "--wait", "30"],
    { cwd: folder, env },
  );
  expect(published).toMatchObject({ code: 0, stdout: expect.stringContaining("applied by every") });
  for (const part of parts) expect((await part.stop()).code).toBe(0);
});

it("runs anew when the application changes, and waits for the change that mends it", async () => {
  const dev = begin(["dev", "app/app.ts"]);
  await until(isReady);
  const file = join(folder, "app", "app.ts");
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace(".limit(20)", ".limit(20"));
  await dev.prints(/MR_APP_INVALID|does not run/);
  await writeFile(file, text.replace("    by: query(", "    of: query("));
  await until(async () => {
    const answer = await fetch(`${url}/notes/of?author=ada`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual([]);
  });
  expect(dev.stdout + dev.stderr).toMatch(/app\.ts:\d+/);
  expect((await dev.stop("SIGINT")).code).toBe(0);
});

it("asks for a key where keys are needed, and follows what becomes of them", async () => {
  const keyed = { ...env, MILLRACE_AUTH: "keys" };
  const made = await run(["keys", "create", "shop", "--scope", "events:publish", "--json"], {
    cwd: folder,
    env: keyed,
  });
  const { key, id } = JSON.parse(made.stdout);
  begin(["start", "app/app.ts"], keyed);
  await until(isReady);
  const publish = (more: NodeJS.ProcessEnv) =>
    run(["events", "publish", "note.written", '{"author":"ada","text":"hi"}'], {
      cwd: folder,
      env: { ...keyed, ...more },
    });
  expect(await publish({})).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("MR_UNAUTHENTICATED"),
  });
  expect(await publish({ MILLRACE_KEY: key })).toMatchObject({ code: 0 });
  const listed = await run(["keys", "list"], { cwd: folder, env: keyed });
  expect(listed.stdout).toContain(`${id}  shop  live  events:publish`);
  expect(listed.stdout).not.toContain(key);
  expect((await run(["keys", "revoke", id], { cwd: folder, env: keyed })).code).toBe(0);
  await until(async () => expect((await publish({ MILLRACE_KEY: key })).code).toBe(2));
});

it("shows, lists, follows and traces events", async () => {
  begin(["dev", "app/app.ts"]);
  await until(isReady);
  const command = (...args: string[]) => run(args, { cwd: folder, env });
  const tail = begin(["events", "tail", "--since", "1h", "--json"]);
  const data = '{"author":"ada","text":"hello"}';
  const first = await command("events", "publish", "note.written", data, "--json", "--wait", "5");
  const { id } = JSON.parse(first.stdout);
  await tail.prints(new RegExp(id));
  expect(JSON.parse(tail.stdout.split("\n")[0] ?? "")).toMatchObject({
    id,
    type: "note.written",
    data: { author: "ada", text: "hello" },
  });
  expect((await tail.stop("SIGINT")).code).toBe(130);
  const shown = await command("events", "show", id, "--json");
  expect(JSON.parse(shown.stdout)).toMatchObject({ id, state: "done" });
  const listed = await command("events", "list", "--type", "note.written");
  expect(listed.stdout).toContain(id);
  const traced = await command("trace", id, "--json");
  expect(JSON.parse(traced.stdout).traces[0].hops.length).toBeGreaterThanOrEqual(5);
  const unknown = await command("events", "show", "019a0000-0000-7000-8000-000000000000");
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("MR_EVENT_NOT_FOUND") });
  const guess = await command("events", "publish", "note.writen", data);
  expect(guess).toMatchObject({ code: 2, stderr: expect.stringContaining("note.written") });
  const wrong = await command("events", "publish", "note.written", '{"author":""}');
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("/data/author") });
});

it("looks for what is wrong, and says what to do", async () => {
  const healthy = await run(["doctor", "app/app.ts"], { cwd: folder, env });
  expect(healthy.code).toBe(0);
  expect(healthy.stdout).not.toContain("FAIL");
  await writeFile(join(folder, "broken.ts"), "export default 1;\n");
  const broken = await run(["doctor", "broken.ts", "--json"], { cwd: folder, env });
  expect(broken.code).toBe(1);
  const { status, findings } = JSON.parse(broken.stdout);
  expect(status).toBe("fail");
  expect(findings).toContainEqual(
    expect.objectContaining({ status: "fail", remedy: expect.stringContaining("defineSystem") }),
  );
});

it("writes a new application, and nothing over an old one", async () => {
  const again = await run(["init", "app"], { cwd: folder });
  expect(again).toMatchObject({ code: 2, stdout: "" });
  expect(again.stderr).toContain("Nothing was written");
  const unnamed = await run(["init"], { cwd: folder });
  expect(unnamed).toMatchObject({ code: 2, stderr: expect.stringContaining("init my-app") });
  const strange = await run(["init", "42"], { cwd: folder });
  expect(strange).toMatchObject({ code: 2, stderr: expect.stringContaining("--name") });
});
