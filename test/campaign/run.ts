/**
 * `npm run campaign -- --kills 5000 --seed 7`: the campaign of the tests, as long as wanted, on the
 * embedded engines or on servers of its own (`--engines nats,postgres,redis`). Its totals go into
 * ledger.ndjson, with seed and revision.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { serverEngines } from "../../src/drill/targets.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    engines: { type: "string", default: "" },
  },
});
const { kills, seed, engines } = values;
const unknown = engines.split(",").find((name) => !["", ...serverEngines].includes(name));
if (unknown !== undefined) {
  console.error(`--engines has ${unknown}; it takes ${serverEngines.join(", ")}.`);
  process.exit(2);
}
for (const [name, value] of Object.entries({ kills, seed })) {
  if (/^\d+$/.test(value)) continue;
  console.error(`--${name} is ${value}; it takes a whole number.`);
  process.exit(2);
}
const revision = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" });
const { status } = spawnSync("vitest", ["run", "test/campaign/campaign.test.ts"], {
  stdio: "inherit",
  env: {
    ...process.env,
    CAMPAIGN_KILLS: kills,
    CAMPAIGN_SEED: seed,
    CAMPAIGN_ENGINES: engines,
    CAMPAIGN_REVISION: revision.trim(),
  },
});
process.exit(status ?? 1);
