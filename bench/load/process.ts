/** The generator's own process: told what to send, it tells what came of it, until it is let go. */
import type { StoredHistogram } from "../measure/histogram.ts";
import { ClosedLoop, type LoadPlan, OpenLoop } from "./generator.ts";

export interface LoadAnswer {
  readonly answers: readonly (readonly [number, number])[];
  readonly sent: number;
  readonly succeeded: number;
  readonly steady: number;
  readonly lastFailure: string | undefined;
  readonly times: StoredHistogram;
  readonly startedUs: number;
  readonly endedUs: number;
  /** What this process itself used: user and system time. */
  readonly cpuUs: number;
}

process.on("message", async (plan: LoadPlan) => {
  const { perSecond } = plan;
  const loop =
    perSecond === undefined ? new ClosedLoop(plan) : new OpenLoop({ ...plan, perSecond });
  const before = process.cpuUsage();
  const tally = await loop.run();
  const { user, system } = process.cpuUsage(before);
  const answer: LoadAnswer = {
    ...tally,
    answers: [...tally.answers],
    times: tally.times.toJSON(),
    cpuUs: user + system,
  };
  process.send?.(answer);
});
