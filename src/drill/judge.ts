import type { Published, Verdict } from "./checker.ts";

/** Finds out what came of the events at each worker. */
export interface Judge {
  /**
   * Key → how many of its events every worker has applied by now. Asked ten times a second, so
   * cheap.
   */
  applied(): Promise<ReadonlyMap<string, number>>;
  /** Worker → what came of everything that was published, as it is now. */
  verdicts(published: readonly Published[]): Promise<ReadonlyMap<string, Verdict>>;
}

/** What a judge needs of a worker's database. */
export interface Readable {
  read<Row>(sql: string, parameters?: readonly (string | number)[]): Promise<Row[]>;
}

/** Of each key the least that any worker has applied. */
export function leastOf(workers: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const [first = new Map<string, number>(), ...others] = workers;
  return new Map(
    [...first].map(([key, count]) => [
      key,
      Math.min(count, ...others.map((other) => other.get(key) ?? 0)),
    ]),
  );
}
