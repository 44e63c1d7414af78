import type { Ceiling } from "../measure/ceiling.ts";

/** How long and how often things are measured. */
export interface Pace {
  readonly name: "quick" | "full";
  readonly rounds: number;
  /** How often a system is measured in a round, in turns with the ceiling. */
  readonly turns: number;
  /** How long each of its turns is. */
  readonly seconds: number;
  readonly warmSeconds: number;
  /** Of each rate at which latency is measured. */
  readonly latencySeconds: number;
  /** How many events a queue holds at its fullest. */
  readonly backlogEvents: number;
  readonly parkedKeys: number;
  readonly replayedEvents: number;
}

export const quick: Pace = {
  name: "quick",
  rounds: 1,
  turns: 3,
  seconds: 2,
  warmSeconds: 2,
  latencySeconds: 4,
  backlogEvents: 300_000,
  parkedKeys: 5_000,
  replayedEvents: 100_000,
};

export const full: Pace = {
  name: "full",
  rounds: 3,
  turns: 2,
  seconds: 2,
  // A server that has run for a while: the compiler has seen the hot path.
  warmSeconds: 4,
  latencySeconds: 8,
  backlogEvents: 10_000_000,
  parkedKeys: 100_000,
  replayedEvents: 300_000,
};

/** What one scenario found in one round: figures by name, in the unit that the name ends with. */
export type Figures = Readonly<Record<string, number>>;

export interface Context {
  readonly pace: Pace;
  /** From 1. */
  readonly round: number;
  /** What this round has found so far, by scenario: latency needs the peak. */
  readonly found: ReadonlyMap<string, Figures>;
  readonly ceiling: Ceiling;
  /** A line for people, while it runs. */
  say(text: string): void;
}

export interface Scenario {
  /** `1a`, `bullmq`. */
  readonly id: string;
  readonly title: string;
  /** Once in a run: what takes long, is the same each time, or is only told and not compared. */
  readonly once?: boolean;
  /** Left out of `--quick`. */
  readonly fullOnly?: boolean;
  run(context: Context): Promise<Figures>;
}

/** Thrown where this machine or version has not what a scenario needs: it is skipped by name. */
export class Skipped extends Error {}
