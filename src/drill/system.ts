import type { Config } from "../runtime/config.ts";
import type { DataFolder } from "../runtime/data-folder.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { Victim } from "./faults/processes.ts";

/** Kinds of processes that a drill may strike. */
export type VictimKind = "balancer" | "gateway" | "worker";

/** The running system that a drill is about. */
export interface DrilledSystem {
  readonly definition: SystemDefinition;
  /** Where its API is, without a slash at its end. */
  readonly url: string;
  /** Whether the drill has started it, and stops it. */
  readonly isOwn: boolean;
  readonly config: Config;
  readonly data: DataFolder;
  /** Its running processes of a kind; of workers, those of one where it is named. */
  victims(kind: VictimKind, worker?: string): Promise<readonly Victim[]>;
  /** Whether all of its processes run. */
  isWhole(): Promise<boolean>;
  /** Ends every process of it at once, where the drill has started it. */
  kill(): void;
  /** Stops it, where the drill has started it. */
  stop(): Promise<void>;
}

/** Which processes are of a kind, told by the names of boxes: `worker-timelines-1`. */
export function isOfKind(name: string, kind: VictimKind, worker?: string): boolean {
  if (kind === "balancer") return name === "balancer";
  if (kind === "gateway") return /^gateway-\d+$/.test(name);
  if (worker === undefined) return /^worker-.+-\d+$/.test(name);
  return name.startsWith(`worker-${worker}-`) && /^\d+$/.test(name.slice(8 + worker.length));
}
