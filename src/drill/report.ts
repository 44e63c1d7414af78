import type { Target } from "./targets.ts";
import type { Timeline } from "./timeline.ts";

/** Everything that a drill found out: what `--json` prints, and the page draws. */
export interface DrillReport {
  readonly drill: Target | "all";
  readonly verdict: "kept" | "broken";
  /** Why it is broken, a sentence each. */
  readonly red: readonly string[];
  readonly system: {
    readonly name: string;
    readonly isOwn: boolean;
    readonly queue: string;
    readonly database: string;
    readonly cache: string;
  };
  readonly startedAt: string;
  readonly seconds: number;
  readonly ratePerSecond: number;
  readonly keys: number;
  readonly isInterrupted: boolean;
  readonly attempted: number;
  readonly accepted: number;
  readonly workers: Readonly<Record<string, WorkerReport>>;
  /** Queries that asked for what a receipt promises; absent where the application has none. */
  readonly reads?: { readonly asked: number; readonly stale: number };
  /** Answers without a receipt by their kind; each of these requests was repeated. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly longestStallMs: { readonly accepting: number; readonly applying: number };
  /** Of the slowest fault; null where one was never recovered from. */
  readonly recoveryMs: number | null;
  readonly faults: readonly FaultReport[];
  readonly timeline: Timeline;
  readonly machine: { readonly node: string; readonly cpus: number; readonly platform: string };
}

export interface WorkerReport {
  readonly effects: number;
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  readonly invented: number;
  readonly parked: number;
  readonly dead: number;
}

export interface FaultReport {
  readonly target: Target;
  readonly name: string;
  /** What was hit, or why nothing could be. */
  readonly what: string;
  readonly isStruck: boolean;
  readonly atMs: number;
  /** When it was taken away; the same as `atMs` where it was over at once. */
  readonly healedAtMs: number;
  /** From when it was over until everything was as before; null where that was never seen. */
  readonly recoveryMs: number | null;
}
