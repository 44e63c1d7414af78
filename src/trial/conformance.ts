import { join } from "node:path";
import type { Clock } from "../lib/clock.ts";
import type { Random } from "../lib/random.ts";
import { withoutPassword } from "../lib/text.ts";
import type { Supervisor } from "../runtime/supervisor.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { Inputs } from "./input.ts";
import { patiently } from "./patience.ts";
import { type ChosenEngines, placesOn } from "./places.ts";
import { questionsAbout } from "./question.ts";
import { type Outcome, runTrial, type TrialOptions, type Way } from "./trial.ts";
import { type Check, outdatedIn, verdictOn } from "./verdict.ts";

/** What `--json` prints. */
export interface ConformanceReport {
  readonly system: string;
  readonly engines: ChosenEngines;
  readonly verdict: "conforms" | "differs";
  readonly events: number;
  readonly keys: number;
  readonly types: readonly string[];
  readonly checks: readonly Check[];
  readonly warnings: readonly string[];
}

export interface ConformanceOptions {
  readonly app: string;
  readonly definition: SystemDefinition;
  readonly chosen: ChosenEngines;
  readonly inputs: Inputs;
  /** What else the systems are set up with. */
  readonly environment: Readonly<Record<string, string>>;
  /** A folder for the trials. */
  readonly folder: string;
  readonly patienceMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  readonly onOutput: (text: string) => void;
  readonly onSupervised: (supervisor: Supervisor) => void;
}

const ways: readonly Way[] = ["one by one", "all at once"];

/** Runs the same events through an application on embedded engines and on others, and compares. */
export async function checkConformance(options: ConformanceOptions): Promise<ConformanceReport> {
  const { definition, chosen, inputs } = options;
  const { questions, missing } = await questionsAbout(inputs.events, definition);
  const typesOf = (worker: string) => typesHandledBy(definition, worker);
  const checks: Check[] = [];
  const warnings = new Set([...inputs.missing, ...missing].map((what) => `left out: ${what}`));
  const outdated = new Set<string>();
  const name = `millrace-trial-${options.random.bytes(6).toString("hex")}`;
  // An address that is none is told before anything is started.
  placesOn(chosen, name, options.clock);
  for (const way of ways) {
    const trials = new Trials(options, { way, questions, name });
    const embedded = [
      await trials.run({}, "embedded"),
      await trials.run({}, "embedded again"),
    ] as const;
    for (const outcome of embedded) for (const name of outdatedIn(outcome)) outdated.add(name);
    const outcomes = { embedded, chosen: await trials.run(chosen, "chosen"), outdated };
    const verdict = verdictOn(way, outcomes, typesOf);
    checks.push(...verdict.checks);
    for (const warning of verdict.warnings) warnings.add(warning);
  }
  return {
    system: definition.name,
    engines: Object.fromEntries(
      Object.entries(chosen).map(([engine, url]) => [engine, withoutPassword(url)]),
    ),
    verdict: checks.every(({ isSame }) => isSame) ? "conforms" : "differs",
    events: inputs.events.length,
    keys: new Set(inputs.events.map(({ key }) => key)).size,
    types: [...new Set(inputs.events.map(({ type }) => type))],
    checks,
    warnings: [...warnings],
  };
}

function typesHandledBy({ workers }: SystemDefinition, name: string): ReadonlySet<string> {
  const worker = workers.find((one) => one.name === name);
  return new Set(worker?.handlers.map(({ event }) => event.type));
}

/** The trials of one way, in their turn: two systems at once would be in each other's way. */
class Trials {
  readonly #options: ConformanceOptions;
  readonly #common: Pick<TrialOptions, "way" | "questions" | "name">;

  constructor(
    options: ConformanceOptions,
    common: Pick<TrialOptions, "way" | "questions" | "name">,
  ) {
    this.#options = options;
    this.#common = common;
  }

  async run(engines: ChosenEngines, title: string): Promise<Outcome> {
    const { clock, folder, environment, inputs, onProgress } = this.#options;
    const { way, name } = this.#common;
    const places = placesOn(engines, name, clock);
    const where = places.says.length === 0 ? "" : `, in ${places.says.join(", ")}`;
    onProgress(`${way}, ${title}${where}`);
    try {
      return await runTrial({
        ...this.#options,
        ...this.#common,
        folder: join(folder, `${way} ${title}`.replaceAll(" ", "-")),
        environment: { ...environment, ...places.environment },
        inputs: inputs.events,
      });
    } finally {
      // Also where it was interrupted.
      const signal = new AbortController().signal;
      await patiently({ ...this.#options, signal }, () => places.remove());
    }
  }
}
