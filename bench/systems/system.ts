import type { Target } from "../load/connection.ts";
import type { Usage } from "../measure/processes.ts";

/** What is measured: ours, or a peer. */
export interface SystemUnderTest extends AsyncDisposable {
  readonly name: string;
  /** Where requests are sent. */
  readonly target: Target;
  /** Each of its processes, servers of its own included. */
  usage(): Usage[];
  /** How many effects each worker has committed; empty for what has no workers. */
  effects(): Promise<readonly number[]>;
  /** How many there must be once the first `events` events are applied. */
  expected(events: number): readonly number[];
  /** How many different events each worker has an effect of: less than its effects means twice. */
  different?(): Promise<readonly number[]>;
}

/** Servers by their technology; the processes that one forks are titled by what they do. */
export const serverName = ([command = ""]: string[]): string =>
  /(nats|postgres|redis)/.exec(command)?.[0] ?? "servers";

/** With real handlers, worker B has an effect of every tenth event's follow-up besides. */
export const withFollowUps = (events: number): readonly number[] => [
  events,
  events + Math.ceil(events / 10),
];
