import { median } from "../measure/statistics.ts";
import type { Run } from "../run.ts";

/** Medians of one machine's runs differ by less: what fell by more than this has become worse. */
export const toleranceShare = 0.25;

export interface Change {
  readonly scenario: string;
  /** `1a`, `4 hit`. */
  readonly what: string;
  readonly before: number;
  readonly now: number;
  readonly isWorse: boolean;
}

const figureName = "ofMachine";
/** Ours; those of the peers are nobody's to guard. */
const isOurs = (id: string): boolean => /^\d/.test(id);

/**
 * Compares what our own scenarios reached of what the machine could do right then: rates alone say
 * as much about the machine as about the program. What is not in both runs is left out.
 */
export function compare(run: Pick<Run, "found">, baseline: Pick<Run, "found">): readonly Change[] {
  const before = new Map(sharesOf(baseline).map(({ what, share }) => [what, share]));
  return sharesOf(run).flatMap(({ scenario, what, share: now }) => {
    const earlier = before.get(what);
    if (earlier === undefined) return [];
    const isWorse = now < earlier * (1 - toleranceShare);
    return [{ scenario, what, before: earlier, now, isWorse }];
  });
}

/** The median of the rounds, for every figure of the kind. */
const sharesOf = ({ found }: Pick<Run, "found">) =>
  Object.entries(found)
    .filter(([id]) => isOurs(id))
    .flatMap(([scenario, rounds]) =>
      Object.keys(rounds[0] ?? {})
        .filter((name) => name.endsWith(figureName))
        .map((name) => ({
          scenario,
          what: `${scenario} ${name.slice(0, -figureName.length)}`.trim(),
          share: median(rounds.flatMap((figures) => figures[name] ?? [])),
        })),
    );

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
    found = await again(found, new Set(worse.map(({ scenario }) => scenario)));
  }
  return found;
}
