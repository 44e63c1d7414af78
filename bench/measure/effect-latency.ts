import { fork } from "node:child_process";
import { once } from "node:events";
import { assertAllSucceeded, type LoadResult, runLoad } from "../load/load.ts";
import { nowUs, type RequestPlan } from "../load/request.ts";
import type { SystemUnderTest } from "../systems/system.ts";
import type { WatchAnswer, WatchMessage } from "./effect-watch.ts";
import { Histogram } from "./histogram.ts";
import { cpuBetween, usageOfTree } from "./processes.ts";
import { nextNumber, notePublished, untilApplied } from "./throughput.ts";

export interface EffectLatencyPlan {
  readonly request: RequestPlan;
  /** Requests a second, constant. */
  readonly perSecond: number;
  readonly seconds: number;
  /** Sent before that, at the same rate, and not counted. */
  readonly leadSeconds: number;
  readonly connections: number;
  /** The workers' database files. */
  readonly files: readonly string[];
}

export interface EffectLatency {
  /** From when a request was meant to be sent to its answer. */
  readonly answers: Histogram;
  /** … to its effect being visible in a worker's database: all workers' together. */
  readonly effects: Histogram;
  /** Microseconds of processor time an event, in all processes of the system. */
  readonly cpuUs: number;
  /** How many cores the system, the generator and who looks for effects kept busy meanwhile. */
  readonly busyCores: number;
}

/** Open loop: a constant rate, whatever the answers take. One event a request. */
export async function measureEffectLatency(
  system: SystemUnderTest,
  plan: EffectLatencyPlan,
): Promise<EffectLatency> {
  const { request, perSecond, leadSeconds, connections, files } = plan;
  const seconds = leadSeconds + plan.seconds;
  const watch = fork(new URL("./effect-watch.ts", import.meta.url));
  const tell = (message: WatchMessage) => watch.send(message);
  try {
    tell({ kind: "watch", files });
    await once(watch, "message");
    const firstNumber = nextNumber(system);
    const { target } = system;
    const rate = { perSecond, seconds, leadSeconds };
    const usage = () => [...system.usage(), ...usageOfTree(watch.pid ?? 0, () => "watch")];
    const before = usage();
    const tally: LoadResult = await runLoad({ target, request, ...rate, connections, firstNumber });
    assertAllSucceeded(tally);
    notePublished(system, tally.succeeded);
    await untilApplied(system);
    const used = cpuBetween(before, usage());
    const tookUs = nowUs() - tally.startedUs;
    tell({ kind: "report", fromUs: tally.startedUs + leadSeconds * 1_000_000 });
    const [stored] = (await once(watch, "message")) as [WatchAnswer];
    const effects = new Histogram();
    for (const one of stored) effects.merge(new Histogram(one));
    const usedUs = [...used.values()].reduce((sum, us) => sum + us, 0);
    return {
      answers: tally.times,
      effects,
      cpuUs: (usedUs - (used.get("watch") ?? 0)) / tally.succeeded,
      busyCores: (usedUs + tally.cpuUs) / tookUs,
    };
  } finally {
    watch.kill("SIGKILL");
  }
}
