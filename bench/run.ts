import { mkdirSync, rmSync } from "node:fs";
import { Ceiling } from "./measure/ceiling.ts";
import { describeMachine, type Machine, machineText } from "./measure/machine.ts";
import type { Options } from "./options.ts";
import { scenarios } from "./scenarios/all.ts";
import { type Figures, type Pace, type Scenario, Skipped } from "./scenarios/scenario.ts";
import { benchFolder } from "./systems/place.ts";

/** Everything that one run found, as it is written to JSON. */
export interface Run {
  readonly version: 1;
  readonly measuredAt: string;
  readonly pace: "quick" | "full";
  readonly machine: Machine;
  /** What was found, by scenario, one entry a round. */
  readonly found: Readonly<Record<string, readonly Figures[]>>;
  readonly skipped: Readonly<Record<string, string>>;
  readonly failed: Readonly<Record<string, string>>;
}

/** A run while it goes on. */
interface Collected {
  readonly found: Record<string, readonly Figures[]>;
  readonly skipped: Record<string, string>;
  readonly failed: Record<string, string>;
}

/**
 * Rounds, and in each the scenarios one after the other: what is compared was measured within
 * minutes, under the same conditions.
 */
export async function runScenarios(options: Options): Promise<Run> {
  // What an earlier run left that was broken off.
  rmSync(benchFolder, { recursive: true, force: true });
  mkdirSync(benchFolder, { recursive: true });
  const chosen = choose(options);
  const { pace } = options;
  const machine = describeMachine(benchFolder);
  console.log(machineText(machine));
  const collected: Collected = { found: {}, skipped: {}, failed: {} };
  await using ceiling = new Ceiling();
  for (let round = 1; round <= pace.rounds; round++) {
    console.log(`\nround ${round} of ${pace.rounds}`);
    const due = chosen.filter(({ once }) => !once || round === 1);
    await runRound(due, { pace, round, ceiling }, collected);
  }
  const measuredAt = new Date().toISOString();
  return { version: 1, measuredAt, pace: pace.name, machine, ...collected };
}

/** One more round of some scenarios: the run with what it has found besides. */
export async function runAgain(run: Run, ids: ReadonlySet<string>, pace: Pace): Promise<Run> {
  const collected: Collected = {
    found: { ...run.found },
    skipped: { ...run.skipped },
    failed: { ...run.failed },
  };
  const round = 1 + Math.max(...Object.values(run.found).map(({ length }) => length));
  console.log(`\nonce more: ${[...ids].join(", ")}`);
  await using ceiling = new Ceiling();
  const chosen = scenarios.filter(({ id }) => ids.has(id));
  await runRound(chosen, { pace, round, ceiling }, collected);
  return { ...run, ...collected };
}

async function runRound(
  chosen: readonly Scenario[],
  surroundings: Omit<Surroundings, "found">,
  { found, skipped, failed }: Collected,
): Promise<void> {
  const ofRound = new Map<string, Figures>();
  for (const scenario of chosen) {
    const { id } = scenario;
    if (id in skipped) continue;
    const outcome = await attempt(scenario, { ...surroundings, found: ofRound });
    if (outcome instanceof Skipped) skipped[id] = outcome.message;
    else if (outcome instanceof Error) failed[id] = outcome.message;
    else {
      ofRound.set(id, outcome);
      found[id] = [...(found[id] ?? []), outcome];
    }
  }
}

function choose({ only, pace }: Options): readonly Scenario[] {
  if (only === undefined) {
    return scenarios.filter(({ fullOnly }) => pace.name === "full" || !fullOnly);
  }
  const known = scenarios.map(({ id }) => id);
  const unknown = only.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    throw new Error(`There is no scenario ${unknown}; there are ${known.join(", ")}.`);
  }
  return scenarios.filter(({ id }) => only.includes(id));
}

type Surroundings = Omit<Parameters<Scenario["run"]>[0], "say">;

/** A scenario that fails is told and passed over: the others' figures are still worth having. */
async function attempt(scenario: Scenario, surroundings: Surroundings): Promise<Figures | Error> {
  const say = (text: string) => console.log(`${scenario.id.padEnd(16)} ${text}`);
  try {
    return await scenario.run({ ...surroundings, say });
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    say(`${error instanceof Skipped ? "skipped" : "failed"}: ${error.message}`);
    return error;
  }
}
