/**
 * Measures Millrace, and what people use today beside it, in one run on one machine.
 *
 *     npm run bench -- --quick
 *     npm run bench -- --only 1a,1b --rounds 5 --json figures.json
 *     npm run bench -- --compare
 *     npm run bench -- --report
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Options, readOptions, usage } from "./options.ts";
import { compare, measureDoubtful, toleranceShare } from "./report/compare.ts";
import { writeReport } from "./report/docs.ts";
import { cpuRows, number, rateRows, ratioRows, table } from "./report/table.ts";
import { type Run, runAgain, runScenarios } from "./run.ts";
import { scenarios } from "./scenarios/all.ts";

/**
 * The figures that later runs are compared with, by pace: a short run finds less than a long one.
 * Those of the full one stand in the docs.
 */
const storedFiles = {
  full: fileURLToPath(new URL("./figures.json", import.meta.url)),
  quick: fileURLToPath(new URL("./figures.quick.json", import.meta.url)),
} as const;
const titles = new Map(scenarios.map(({ id, title }) => [id, title]));

async function main(options: Options): Promise<number> {
  if (options.help) {
    console.log(usage);
    return 0;
  }
  if (options.report) {
    writeReport(readRun(options.json ?? storedFiles.full), titles);
    return 0;
  }
  const { pace, json } = options;
  const baseline = options.compare ? readRun(storedFiles[pace.name]) : undefined;
  let run = await runScenarios(options);
  if (baseline !== undefined) {
    run = await measureDoubtful(run, baseline, (found, ids) => runAgain(found, ids, pace));
  }
  for (const rows of [rateRows(run, titles), cpuRows(run), ratioRows(run, false)]) {
    if (rows.length > 1) console.log(`\n${table(rows, "text")}`);
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(run, null, 2)}\n`);
  const isWorse = baseline !== undefined && printComparison(run, baseline);
  return isWorse || Object.keys(run.failed).length > 0 ? 1 : 0;
}

/** @returns whether anything has become worse by more than the tolerance */
function printComparison(run: Run, baseline: Run): boolean {
  const changes = compare(run, baseline);
  const rows = changes.map(({ what, before, now, isWorse }) => [
    what,
    number(before),
    number(now),
    isWorse ? "WORSE" : "as before",
  ]);
  const when = `the ${baseline.pace} run of ${baseline.measuredAt.slice(0, 10)}`;
  const head = ["÷ bare Fastify on all cores", "before", "now", ""];
  console.log(`\nCompared with ${when}:\n${table([head, ...rows], "text")}`);
  console.log(`Worse is what fell by more than ${toleranceShare * 100}%.`);
  return changes.some(({ isWorse }) => isWorse);
}

function readRun(file: string): Run {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw new Error(`There are no figures in ${file}: store some with --json.`, { cause });
  }
}

try {
  process.exitCode = await main(readOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  process.exitCode = 2;
}
