/**
 * `millrace drill` on real systems: every fault of the embedded engines strikes, nothing is lost,
 * doubled or out of order, and the report opens in a browser. An application that breaks its
 * promises is told, a system of somebody else is left alone unless that is meant, and an
 * interrupted drill heals what it has struck and leaves no process behind.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DrillReport } from "../../src/drill/report.ts";
import { drillTargets } from "../../src/drill/targets.ts";
import { Command, type Ended, run } from "../cli/command-line.ts";
import { Picture } from "../whole-picture/picture.ts";

const root = resolve(import.meta.dirname, "../..");
const brokenApp = join(root, "test/drill/broken-app.ts");
const socialApp = join(root, "examples/social/app.ts");
// Slow machines are no broken promise here: patience is long, and nothing waits for its end.
const quick = ["--seconds", "1", "--rate", "60", "--patience", "120"];
const patient = { timeout: 300_000 };

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "drill-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const drill = (...args: string[]) => run(["drill", ...args], { cwd: folder });
const reportOf = ({ stdout }: Ended): DrillReport => JSON.parse(stdout);

describe("every fault", () => {
  let ended: Ended;

  beforeAll(async () => {
    ended = await drill("all", ...quick, "--hold", "0.5", "--json");
  }, 300_000);

  it("strikes, and no promise breaks", () => {
    const { verdict, red, faults, accepted, workers, reads } = reportOf(ended);
    expect({ code: ended.code, verdict, red }).toEqual({ code: 0, verdict: "kept", red: [] });
    const struck = faults.map(({ target, name }) => `${target} ${name}`);
    const known = Object.entries(drillTargets).flatMap(([target, names]) =>
      Object.keys(names).map((name) => `${target} ${name}`),
    );
    expect(struck.toSorted()).toEqual(known.toSorted());
    expect(accepted).toBeGreaterThan(100);
    expect(workers.first?.effects).toBe(accepted);
    expect(workers.second?.effects).toBe(accepted);
    expect(reads?.asked).toBeGreaterThan(0);
  });

  it("writes the same as JSON, and stops what it has started", async () => {
    const written = await readFile(join(folder, "drill-report/all.json"), "utf8");
    expect(JSON.parse(written)).toEqual(reportOf(ended));
    const [, place = ""] = /Starting .+ in (\S+)/.exec(ended.stderr) ?? [];
    expect(place).toContain("millrace-drill-");
    expect(existsSync(place)).toBe(false);
  });

  const executable = ["chromium", "chromium-browser", "google-chrome"]
    .map((name) => `/usr/bin/${name}`)
    .find((path) => existsSync(path));

  it.skipIf(executable === undefined)(
    "draws a page, light and dark, narrow and wide (skipped where no Chromium is installed)",
    async () => {
      const browser = await chromium.launch({
        executablePath: executable ?? "",
        args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"],
      });
      try {
        for (const [colorScheme, width] of [
          ["light", 1280],
          ["dark", 360],
        ] as const) {
          const page = await browser.newPage({ colorScheme, viewport: { width, height: 800 } });
          const complaints: string[] = [];
          page.on("console", (message) => complaints.push(message.text()));
          page.on("pageerror", (error) => complaints.push(String(error)));
          page.on("request", (request) => {
            if (!/^(file|data):/.test(request.url())) complaints.push(request.url());
          });
          await page.goto(pathToFileURL(join(folder, "drill-report/all.html")).href);
          expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Drill: all");
          expect(await page.locator(".verdict").textContent()).toBe("✓ kept");
          expect(await page.locator("svg .strike").count()).toBe(2 * reportOf(ended).faults.length);
          expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
          expect(complaints).toEqual([]);
          await page.close();
        }
      } finally {
        await browser.close();
      }
    },
  );
});

it("sees an application that loses, doubles and reorders", patient, async () => {
  const effects = ["loses:notes.id", "doubles:notes.id", "swaps:notes.id"];
  const app = ["--app", brokenApp, "--effects", ...effects];
  // What is lost for good is waited for in vain.
  const ended = await drill("gateway", ...quick, "--patience", "10", ...app, "--faults", "kill");
  expect(ended.code).toBe(1);
  expect(ended.stdout).toMatch(/^loses: [1-9]\d* lost: /m);
  expect(ended.stdout).toMatch(/^doubles: [1-9]\d* doubled: /m);
  expect(ended.stdout).toMatch(/^swaps: [1-9]\d* out of order: /m);
  expect(ended.stdout.trimEnd()).toMatch(/^BROKEN: a promise did not hold$/m);
  const [, place = ""] = /The system's data stays at (\S+)/.exec(ended.stderr) ?? [];
  expect(existsSync(place)).toBe(true);
  await rm(place, { recursive: true });
});

it("drills a system that is running, only where that is meant", patient, async () => {
  await using picture = await Picture.start("examples/social/app.ts");
  const where = ["--attach", picture.data, "--app", socialApp, "--url", picture.url];
  const unasked = await drill("worker", ...quick, ...where);
  expect(unasked.code).toBe(2);
  expect(unasked.stderr).toMatch(/MR_USAGE .*takes a confirmation/);
  const before = await picture.boxes();
  const meant = await drill("worker", ...quick, ...where, "--faults", "kill", "--yes", "--json");
  expect(reportOf(meant)).toMatchObject({ verdict: "kept", red: [], system: { name: "social" } });
  const pids = new Set((await picture.boxes()).map(({ pid }) => pid));
  expect(before.filter(({ pid }) => !pids.has(pid)).map(({ name }) => name)).toEqual([
    expect.stringMatching(/^worker-/),
  ]);
});

it("heals and reports when it is interrupted, and leaves nothing behind", patient, async () => {
  const args = ["drill", "worker", "--faults", "stop", "--hold", "600", "--rate", "60"];
  await using command = new Command(args, { cwd: folder });
  await command.prints(/SIGSTOP of worker-/);
  const ended = await command.stop("SIGINT");
  expect(ended.code).toBe(130);
  expect(ended.stdout).toMatch(/SIGSTOP of worker-/);
  expect(ended.stdout).toMatch(/it was interrupted/);
  const [, place = ""] = /Starting .+ in (\S+)/.exec(ended.stderr) ?? [];
  expect(existsSync(place)).toBe(false);
});

it.each([
  [["quue"], /There is no drill "quue"\. Did you mean queue\?/],
  [["queue", "--rate", "fast"], /--rate is "fast"/],
  [["queue", "--faults", "burn"], /The queue drill has no fault "burn" here/],
  [["queue", "--attach", ".millrace"], /--attach takes the application/],
  [["queue", "--type", "note.written"], /--type belongs to --app/],
  [["worker", "--app", brokenApp, "--effects", "notes"], /--effects is "notes"/],
  [["worker", "--app", brokenApp, "--type", "note.read"], /broken accepts no events "note\.read"/],
])("refuses %j", patient, async (args, message) => {
  const ended = await drill(...args);
  expect(ended.stderr).toMatch(message);
  expect(ended.code).toBe(2);
  expect(ended.stdout).toBe("");
});
