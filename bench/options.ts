import { parseArgs } from "node:util";
import { full, type Pace, quick } from "./scenarios/scenario.ts";

export interface Options {
  readonly pace: Pace;
  /** Scenarios by their ids; undefined: all. */
  readonly only: readonly string[] | undefined;
  readonly json: string | undefined;
  readonly compare: boolean;
  readonly report: boolean;
  readonly help: boolean;
}

export const usage = `npm run bench -- [options]
  --quick        a few minutes: shorter, one round, the central scenarios
  --only IDS     scenarios by comma: 1a,1b,fastify
  --rounds N     how often each is measured; figures are medians (full: 3, quick: 1)
  --seconds N    how long a turn of a throughput is
  --json FILE    where to write what was found
  --compare      guard the ratios against those stored of a run of the same pace
  --report       measure nothing; write tables and plots of the docs from bench/figures.json`;

/** @throws a sentence that says what is wrong */
export function readOptions(parameters: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...parameters],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      json: { type: "string" },
      compare: { type: "boolean", default: false },
      report: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const base = values.quick ? quick : full;
  return {
    pace: {
      ...base,
      rounds: whole("--rounds", values.rounds) ?? base.rounds,
      seconds: whole("--seconds", values.seconds) ?? base.seconds,
    },
    only: values.only?.split(",").map((id) => id.trim()),
    json: values.json,
    compare: values.compare,
    report: values.report,
    help: values.help,
  };
}

function whole(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} takes a whole number.`);
  return value;
}
