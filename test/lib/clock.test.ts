/** A sleep keeps its process alive and a bounded wait ends with the work, seen for real. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { settledWithin, systemClock } from "../../src/lib/clock.ts";

const run = promisify(execFile);

it("keeps a process alive that waits for nothing but the time", async () => {
  const module = new URL("../../src/lib/clock.ts", import.meta.url).href;
  const program = `
    const { systemClock } = await import(${JSON.stringify(module)});
    await systemClock.sleep(20);
    console.log("woke");
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program]);
  expect(stdout).toBe("woke\n");
});

it("ends a sleep at once when its signal aborts, before it or during it", async () => {
  const controller = new AbortController();
  const sleep = systemClock.sleep(3_600_000, controller.signal);
  controller.abort();
  await sleep;
  await systemClock.sleep(3_600_000, controller.signal);
});

it.each([
  ["succeeds", () => Promise.resolve("done")],
  ["fails", () => Promise.reject(new Error("no"))],
])("waits no longer than for work that %s", async (_, work) => {
  await settledWithin(systemClock, 3_600_000, work());
});

it("waits no longer than the time for work that never ends", async () => {
  await settledWithin(systemClock, 1, new Promise(() => {}));
});
