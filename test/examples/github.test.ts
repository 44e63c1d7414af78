/**
 * The GitHub example takes real input: its delivery program starts the system in processes,
 * delivers every payload of GitHub's own examples through the load balancer, some twice, some
 * forged, and exits 0 only where every effect is there once (examples/github/compare.ts).
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const program = fileURLToPath(new URL("../../examples/github/deliver.ts", import.meta.url));

it("delivers every payload and loses, doubles and invents nothing", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program, "--seed", "7"]);
  const counts = Object.fromEntries(
    [...stdout.matchAll(/^([a-zA-Z ]+?)\s+(\d+)/gm)].map(([, name, count]) => [
      name,
      Number(count),
    ]),
  );
  expect(counts.accepted).toBeGreaterThanOrEqual(700);
  expect(counts.delivered).toBe((counts.accepted ?? 0) + (counts.duplicates ?? 0));
  expect(counts.duplicates).toBeGreaterThan(0);
  expect(counts["effects at A"]).toBe(counts.accepted);
  expect(counts["effects at B"]).toBeGreaterThan(0);
  expect(counts).toMatchObject({ refused: 12, lost: 0 });
});
