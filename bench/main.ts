/**
 * Measures Millrace, and what people use today beside it, in one run on one machine.
 *
 *     npm run bench -- --quick
 *     npm run bench -- --only 1a,1b --rounds 5 --json figures.json
 *     npm run bench -- --compare
 */
import { writeFileSync } from "node:fs";
import { readOptions } from "./options.ts";
import { cpuRows, rateRows, ratioRows, table } from "./report/table.ts";
import { runScenarios } from "./run.ts";
import { scenarios } from "./scenarios/all.ts";

const options = readOptions(process.argv.slice(2));
const run = await runScenarios(options);
const titles = new Map(scenarios.map(({ id, title }) => [id, title]));
for (const rows of [rateRows(run, titles), cpuRows(run), ratioRows(run, false)]) {
  if (rows.length > 1) console.log(`\n${table(rows, "text")}`);
}
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(run, null, 1)}\n`);
if (Object.keys(run.failed).length > 0) process.exitCode = 1;
