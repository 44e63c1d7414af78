/**
 * Kills at random, of every process of a running system: nothing accepted is lost, no effect comes
 * twice, no key out of order, nothing is invented, no query shows less than was promised, and all
 * is done within 30 seconds after the last fault, two minutes on servers. Once on the embedded
 * engines, and once with four instances that share their partitions on three NATS servers,
 * PostgreSQL and Redis, which are killed, stopped and cut off meanwhile.
 * `npm run campaign -- --kills 5000 --seed 7` does more of it, and keeps its totals.
 */
import { appendFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { ServerEngine } from "../../src/drill/targets.ts";
import { natsMissing } from "../support/nats-cluster.ts";
import { describePostgres } from "../support/postgres-server.ts";
import { withoutRedis } from "../support/redis-server.ts";
import {
  brokenPromises,
  type CampaignOptions,
  type CampaignResult,
  runCampaign,
} from "./campaign.ts";

const { CAMPAIGN_KILLS, CAMPAIGN_SEED = "1", CAMPAIGN_ENGINES, CAMPAIGN_REVISION } = process.env;
const seed = Number(CAMPAIGN_SEED);
const ledger = fileURLToPath(new URL("./ledger.ndjson", import.meta.url));
/** A campaign by hand is about one set of engines; the test run is about both. */
const chosen = CAMPAIGN_ENGINES?.split(",").filter((name) => name !== "") as ServerEngine[];

const patience = (kills: number) => ({ timeout: 300_000 + kills * 5_000 });

const onFiles = Number(CAMPAIGN_KILLS ?? 200);
describe.skipIf(chosen !== undefined && chosen.length > 0)("on the embedded engines", () => {
  it(`keeps its promises through ${onFiles} kills`, patience(onFiles), () =>
    prove({ kills: onFiles, seed }),
  );
});

const onServers = Number(CAMPAIGN_KILLS ?? 10);
const engines: readonly ServerEngine[] = chosen ?? ["nats", "postgres", "redis"];
const missing = natsMissing() ?? withoutRedis;
describePostgres("on servers", () => {
  const why = missing === undefined ? "" : ` (skipped: ${missing})`;
  it.skipIf(missing !== undefined || engines.length === 0)(
    `keeps its promises through ${onServers} kills, and those of servers${why}`,
    patience(onServers),
    () => prove({ kills: onServers, seed, engines, workers: "first=4" }),
  );
});

async function prove(options: CampaignOptions): Promise<void> {
  const evidence = await mkdtemp(join(tmpdir(), "millrace-campaign-"));
  const result = await runCampaign({ ...options, evidence });
  if (CAMPAIGN_REVISION !== undefined) note(options, result);
  const broken = brokenPromises(result);
  if (broken.length > 0) await writeFile(join(evidence, "output.log"), result.output);
  else await rm(evidence, { recursive: true });
  expect(broken, `what the system said and stored is in ${evidence}`).toEqual([]);
  expect(result.verdicts.second?.accepted).toBeGreaterThan(options.kills);
  expect(result.reads.asked).toBeGreaterThan(0);
}

/** Adds a line with the totals to the ledger. */
function note({ engines = [] }: CampaignOptions, result: CampaignResult): void {
  const { verdicts, reads, output: _output, ...totals } = result;
  const counts = Object.entries(verdicts).map(([worker, verdict]) => [
    worker,
    Object.fromEntries(
      Object.entries(verdict).map(([name, value]) => [
        name,
        typeof value === "number" ? value : value.length,
      ]),
    ),
  ]);
  const entry = {
    revision: CAMPAIGN_REVISION,
    seed,
    engines: engines.join(",") || "embedded",
    ...totals,
    ...Object.fromEntries(counts),
    reads: { asked: reads.asked, stale: reads.stale.length },
  };
  appendFileSync(ledger, `${JSON.stringify(entry)}\n`);
  console.log(entry);
}
