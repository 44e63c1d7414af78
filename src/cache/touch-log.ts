/**
 * The keys that commits have touched, in order, as they stand in the worker's database. It commits
 * with the effects, so whoever reads it after a commit knows what that commit made stale. Numbers
 * must become visible in their order: a later one seen before an earlier one would hide it.
 */
export interface TouchLog {
  /**
   * Another number whenever another commit may have happened; cheap. Absent: ask `since` each time.
   */
  changeCount?(): number;
  /** The number of the newest touch; 0 where there is none. */
  last(): Promise<number>;
  /**
   * What was touched after `seq`. `gap`: some of it is no longer known, so everything may be stale.
   */
  since(seq: number): Promise<Touches>;
}

export interface Touches {
  readonly keys: readonly string[];
  readonly last: number;
  readonly gap: boolean;
}
