/**
 * The command line tells how it is used, and how it is not: help for every command, exit codes that
 * say what kind of failure it was, data on stdout and everything else on stderr. Proven by running
 * it.
 */
import { expect, it } from "vitest";
import { freePort } from "../support/free-port.ts";
import { run } from "./command-line.ts";

const commands = [
  "init",
  "dev",
  "start",
  "events publish",
  "events show",
  "events list",
  "events tail",
  "trace",
  "dead-letters list",
  "dead-letters show",
  "dead-letters retry",
  "dead-letters edit",
  "dead-letters discard",
  "dead-letters export",
  "queue status",
  "queue pause",
  "queue resume",
  "queue skip",
  "schedules",
  "audit",
  "check",
  "replay",
  "events cancel",
  "keys create",
  "keys list",
  "keys revoke",
  "doctor",
];

it("lists every command when it is called alone", async () => {
  const { code, stdout, stderr } = await run([]);
  expect(code).toBe(0);
  expect(stderr).toBe("");
  for (const command of commands) expect(stdout).toContain(`\n  ${command.split(" ")[0]}`);
});

it("prints its version", async () => {
  expect(await run(["--version"])).toMatchObject({ code: 0, stdout: "0.1.0\n" });
});

it.each(commands)("explains `%s`, with an example", async (command) => {
  const { code, stdout } = await run([...command.split(" "), "--help"]);
  expect(code).toBe(0);
  expect(stdout).toContain(`Usage: millrace ${command}`);
  expect(stdout).toContain(`  $ millrace ${command}`);
  expect(stdout).toContain("--json");
});

it.each([
  ["an unknown command", ["strat"], /Unknown command 'strat'.*start/s],
  ["an unknown option", ["start", "app.ts", "--prot", "1"], /--prot.*--port/s],
  ["a missing argument", ["trace"], /Missing required argument 'id'/],
  ["a number that is none", ["events", "list", "--limit", "few"], /--limit is few/],
  ["a group without its command", ["events"], /Usage: millrace events/],
])("refuses %s", async (_what, args, message) => {
  const { code, stdout, stderr } = await run(args);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(message);
});

it("tells an error as JSON where it was asked for JSON", async () => {
  const { code, stdout, stderr } = await run(["start", "nowhere.ts", "--json"]);
  expect(code).toBe(3);
  expect(stdout).toBe("");
  expect(JSON.parse(stderr)).toMatchObject({
    error: { code: "MR_APP_NOT_FOUND", message: expect.stringContaining("nowhere.ts") },
  });
});

it("refuses a setting that it does not know, and one that it cannot read", async () => {
  const env = { MILLRACE_PROT: "1", MILLRACE_GATEWAYS: "many" };
  const { code, stderr } = await run(["start", "examples/social/app.ts"], { env });
  expect(code).toBe(3);
  expect(stderr).toMatch(/MILLRACE_PROT/);
  expect(stderr).toMatch(/MILLRACE_GATEWAYS/);
});

it("shows each setting and where it comes from", async () => {
  const args = ["start", "examples/social/app.ts", "--gateways", "3", "--print-config"];
  const { code, stdout } = await run(args, { env: { MILLRACE_DRAIN_MS: "5000" } });
  expect(code).toBe(0);
  expect(stdout).toMatch(/MILLRACE_GATEWAYS +3 +flag/);
  expect(stdout).toMatch(/MILLRACE_DRAIN_MS +5000 +environment/);
});

it("says where it looked when nobody answers", async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { code, stderr } = await run(["events", "show", "some-id", "--url", url]);
  expect(code).toBe(4);
  expect(stderr).toContain(`MR_GATEWAY_UNAVAILABLE  Nobody answers at ${url}.`);
  expect(stderr).toContain("millrace start");
});

it("colours nothing in a pipe, and all of it where colours are forced", async () => {
  const escapeCode = String.fromCharCode(27);
  const plain = await run(["start", "nowhere.ts"]);
  expect(plain.stderr).not.toContain(escapeCode);
  const forced = await run(["start", "nowhere.ts"], { env: { FORCE_COLOR: "1" } });
  expect(forced.stderr).toContain(escapeCode);
});
