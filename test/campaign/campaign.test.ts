/**
 * Kills at random, of every process of a running system: nothing accepted is lost, no effect comes
 * twice, no key out of order, nothing is invented, and all is done within 30 seconds after the last
 * fault. `npm run campaign -- --kills 5000 --seed 7` does more of it, and keeps its totals.
 */
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { violations } from "../../src/drill/checker.ts";
import { runCampaign } from "./campaign.ts";

const { CAMPAIGN_KILLS = "200", CAMPAIGN_SEED = "1", CAMPAIGN_REVISION } = process.env;
const kills = Number(CAMPAIGN_KILLS);
const seed = Number(CAMPAIGN_SEED);
const ledger = fileURLToPath(new URL("./ledger.ndjson", import.meta.url));

it(`keeps its promises through ${kills} kills`, { timeout: 120_000 + kills * 5_000 }, async () => {
  const result = await runCampaign({ kills, seed });
  const found = Object.entries(result.verdicts).flatMap(([worker, verdict]) =>
    violations(verdict).map((sentence) => `${worker}: ${sentence}`),
  );
  if (CAMPAIGN_REVISION !== undefined) {
    const counts = Object.entries(result.verdicts).map(([worker, verdict]) => [
      worker,
      Object.fromEntries(
        Object.entries(verdict).map(([name, value]) => [
          name,
          typeof value === "number" ? value : value.length,
        ]),
      ),
    ]);
    const { verdicts: _verdicts, ...totals } = result;
    const entry = { revision: CAMPAIGN_REVISION, seed, ...totals, ...Object.fromEntries(counts) };
    appendFileSync(ledger, `${JSON.stringify(entry)}\n`);
    console.log(entry);
  }
  expect(found).toEqual([]);
  expect(result.verdicts.second?.accepted).toBeGreaterThan(kills);
});
