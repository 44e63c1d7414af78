import { fork } from "node:child_process";
import { once } from "node:events";
import { Histogram } from "../measure/histogram.ts";
import type { LoadPlan, Tally } from "./generator.ts";
import type { LoadAnswer } from "./process.ts";

export interface LoadResult extends Tally {
  /** What the generator itself used of the processors. */
  readonly cpuUs: number;
}

/** Runs a load in a process of its own and waits for its end. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const child = fork(new URL("./process.ts", import.meta.url), { execArgv: [] });
  child.send(plan);
  const [answer] = (await Promise.race([once(child, "message"), ended(child)])) as [LoadAnswer];
  return { ...answer, answers: new Map(answer.answers), times: new Histogram(answer.times) };
}

async function ended(child: ReturnType<typeof fork>): Promise<never> {
  const [status] = await once(child, "exit");
  throw new Error(`The generator ended with ${status} before it had told its result.`);
}

/** All requests were answered with success; anything else makes a measurement worthless. */
export function assertAllSucceeded({ answers, sent, succeeded, lastFailure }: Tally): void {
  if (sent === succeeded) return;
  const kinds = [...answers].map(([status, count]) => `${count} × ${status || "broken"}`);
  throw new Error(
    `Of ${sent} requests, ${succeeded} succeeded: ${kinds.join(", ")}. The last failure: ${lastFailure}`,
  );
}
