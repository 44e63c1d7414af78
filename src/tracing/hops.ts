/**
 * The thirteen hops of the picture. A step is what happens; the hop's number follows from the step
 * and from how many events stand between it and the request: worker A handles the first event in
 * hops 5 to 9, worker B the follow-up in hops 10 to 13.
 */
export const steps = {
  "user → load balancer": 1,
  "load balancer → API gateway": 2,
  "API gateway → event producer": 3,
  "event producer → message queue": 4,
  "message queue → worker": 5,
  "worker → cache (look up)": 6,
  "worker → database": 7,
  "worker → cache (refresh)": 8,
  "worker → message queue": 9,
} as const;

export type Step = keyof typeof steps;

/** Hops that one event makes behind the queue: the follow-up's numbers continue after them. */
const hopsPerEvent = 5;

/** `depth` is 0 for the event of the request, 1 for what its handlers emitted, and so on. */
export function hopNumber(step: Step, depth: number): number {
  const first = steps[step];
  return first < 5 ? first : first + depth * hopsPerEvent;
}

/** The step by the names of design's picture: workers are A, B, … in the system's order. */
export function hopName(step: Step, letter: string | undefined): string {
  if (letter === undefined) return step;
  return step
    .replace("worker", `worker ${letter}`)
    .replace("cache", `cache ${letter}`)
    .replace("database", `database ${letter}`);
}

/** A, B, …, Z, AA, … for a system's workers, in its order. */
export function workerLetters(workers: readonly string[]): ReadonlyMap<string, string> {
  return new Map(workers.map((worker, index) => [worker, letterAt(index)]));
}

function letterAt(index: number): string {
  const last = String.fromCharCode(0x41 + (index % 26));
  return index < 26 ? last : letterAt(Math.floor(index / 26) - 1) + last;
}
