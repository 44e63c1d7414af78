/**
 * A box that starts before its servers do waits for them, for as long as a start may take, and says
 * so; what is no server's fault is told at once.
 */
import { expect, it } from "vitest";
import { MillraceError } from "../../src/lib/errors.ts";
import { limits } from "../../src/lib/limits.ts";
import { silentLog } from "../../src/lib/log.ts";
import { patiently } from "../../src/runtime/patience.ts";
import { ManualClock } from "./support/manual-clock.ts";

const gone = () => new MillraceError("MR_DATABASE_UNAVAILABLE", "The server does not answer.");

/** Turns the clock until the call is over. */
async function settled<Result>(clock: ManualClock, call: Promise<Result>): Promise<Result> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  call.then(over, over);
  while (!isOver) {
    clock.turn(limits.startRetryMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await call;
}

it("tries again until the server is there, and says that it waits", async () => {
  const clock = new ManualClock();
  const said: string[] = [];
  const log = { ...silentLog, warn: (_: object, text: string) => said.push(text) };
  let tries = 0;
  const open = async () => {
    tries += 1;
    if (tries < 4) throw gone();
    return "open";
  };
  expect(await settled(clock, patiently(open, { clock, log }))).toBe("open");
  expect(said).toHaveLength(3);
});

it("gives up with what it was told last, once a start may take no longer", async () => {
  const clock = new ManualClock();
  const startedAt = clock.monotonic();
  const open = async () => {
    throw gone();
  };
  await expect(settled(clock, patiently(open, { clock }))).rejects.toMatchObject({
    code: "MR_DATABASE_UNAVAILABLE",
  });
  expect(clock.monotonic() - startedAt).toBeGreaterThanOrEqual(limits.startTimeoutMs);
});

it("tells a mistake at once", async () => {
  const clock = new ManualClock();
  const mistake = new MillraceError("MR_MIGRATION_FAILED", "no such table");
  const open = () => Promise.reject(mistake);
  await expect(patiently(open, { clock })).rejects.toBe(mistake);
});
