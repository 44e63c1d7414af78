/** How far a run was at an instant: events that had been accepted, and applied by every worker. */
export interface Sample {
  readonly atMs: number;
  readonly accepted: number;
  readonly applied: number;
}

/** Accepted and applied in each step of a run: what the report draws. */
export interface Timeline {
  readonly stepMs: number;
  readonly accepted: readonly number[];
  readonly applied: readonly number[];
}

export const timelineStepMs = 100;

/** What happened between two samples counts for the step of the later one. */
export function timelineOf(samples: readonly Sample[]): Timeline {
  const steps = Math.ceil((samples.at(-1)?.atMs ?? 0) / timelineStepMs) + 1;
  const accepted = new Array<number>(steps).fill(0);
  const applied = new Array<number>(steps).fill(0);
  let before: Sample = { atMs: 0, accepted: 0, applied: 0 };
  for (const sample of samples) {
    const step = Math.floor(sample.atMs / timelineStepMs);
    accepted[step] = (accepted[step] ?? 0) + sample.accepted - before.accepted;
    applied[step] = (applied[step] ?? 0) + sample.applied - before.applied;
    before = sample;
  }
  return { stepMs: timelineStepMs, accepted, applied };
}

/** The longest time in which nothing was accepted, from the first receipt to the last. */
export function longestGap(timesMs: readonly number[]): number {
  const sorted = timesMs.toSorted((one, other) => one - other);
  return Math.max(0, ...sorted.map((atMs, index) => atMs - (sorted[index - 1] ?? atMs)));
}

/** The longest time in which something waited to be applied, and nothing was. */
export function longestWait(samples: readonly Sample[]): number {
  let longest = 0;
  let sinceMs = 0;
  let applied = 0;
  for (const sample of samples) {
    const isWaiting = sample.applied === applied && sample.accepted > sample.applied;
    if (isWaiting) longest = Math.max(longest, sample.atMs - sinceMs);
    else sinceMs = sample.atMs;
    applied = sample.applied;
  }
  return longest;
}
