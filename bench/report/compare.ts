import type { Run } from "../run.ts";
import { judge, scenariosOf } from "./ratios.ts";

/** Medians of one machine's runs differ by less: what fell by more than this has become worse. */
export const toleranceShare = 0.25;

export interface Change {
  readonly what: string;
  /** The scenarios that it is made of, by their ids. */
  readonly scenarios: readonly string[];
  readonly before: number;
  readonly now: number;
  readonly isWorse: boolean;
}

/**
 * Compares ratios only: rates alone say as much about the machine as about the program. A ratio
 * that one of the runs has not measured is left out.
 */
export function compare(run: Pick<Run, "found">, baseline: Pick<Run, "found">): readonly Change[] {
  const before = new Map(judge(baseline.found).map(({ bar, value }) => [bar.id, value]));
  return judge(run.found).flatMap(({ bar, value: now }) => {
    const earlier = before.get(bar.id);
    if (bar.unit !== undefined || now === undefined || earlier === undefined) return [];
    const isWorse = now < earlier * (1 - toleranceShare);
    return [{ what: bar.what, scenarios: scenariosOf(bar), before: earlier, now, isWorse }];
  });
}

/** What seems to be worse is measured so often again before it is called so. */
const doubts = 2;

/**
 * One look may have met a machine that was busy with something else; the median of three has not.
 *
 * @param again - one more round of these scenarios, added to a run
 */
export async function measureDoubtful<Found extends Pick<Run, "found">>(
  run: Found,
  baseline: Pick<Run, "found">,
  again: (run: Found, ids: ReadonlySet<string>) => Promise<Found>,
): Promise<Found> {
  let found = run;
  for (let time = 0; time < doubts; time++) {
    const worse = compare(found, baseline).filter(({ isWorse }) => isWorse);
    if (worse.length === 0) break;
    found = await again(found, new Set(worse.flatMap(({ scenarios }) => scenarios)));
  }
  return found;
}
