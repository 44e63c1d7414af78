/**
 * Measures Millrace, and what people use today beside it, in one run on one machine.
 *
 *     npm run bench -- --quick
 *     npm run bench -- --only 1a,1b --rounds 5 --json figures.json
 *     npm run bench -- --compare
 */
import { writeFileSync } from "node:fs";
import { readOptions } from "./options.ts";
import { runScenarios } from "./run.ts";

const options = readOptions(process.argv.slice(2));
const run = await runScenarios(options);
if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(run, null, 1)}\n`);
