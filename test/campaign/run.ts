/**
 * `npm run campaign -- --kills 5000 --seed 7`: the campaign of the tests, as long as wanted. Its
 * totals go into ledger.ndjson, with seed and revision.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
for (const [name, value] of Object.entries(values)) {
  if (/^\d+$/.test(value)) continue;
  console.error(`--${name} is ${value}; it takes a whole number.`);
  process.exit(2);
}
const revision = execFileSync("git", ["describe", "--always", "--dirty"], { encoding: "utf8" });
const { status } = spawnSync("vitest", ["run", "test/campaign/campaign.test.ts"], {
  stdio: "inherit",
  env: {
    ...process.env,
    CAMPAIGN_KILLS: values.kills,
    CAMPAIGN_SEED: values.seed,
    CAMPAIGN_REVISION: revision.trim(),
  },
});
process.exit(status ?? 1);
