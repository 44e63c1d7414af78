import type { Run } from "../run.ts";
import { judge } from "./ratios.ts";

/**
 * Ratios of one machine's runs lie within about so much of each other; what has become worse by
 * more than that is a regression, or a machine that was busy with something else.
 */
export const toleranceShare = 0.25;

export interface Change {
  readonly what: string;
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
    if (bar.by === undefined || now === undefined || earlier === undefined) return [];
    return [
      { what: bar.what, before: earlier, now, isWorse: now < earlier * (1 - toleranceShare) },
    ];
  });
}
