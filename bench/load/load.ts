import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Histogram } from "../measure/histogram.ts";
import type { LoadPlan, Tally } from "./generator.ts";
import type { LoadAnswer } from "./process.ts";

export interface LoadResult extends Tally {
  /** What the generator itself used of the processors. */
  readonly cpuUs: number;
}

/** A process that sends loads, one after another: after its first it is warm. */
export class Generator implements AsyncDisposable {
  readonly #child: ChildProcess = fork(new URL("./process.ts", import.meta.url), { execArgv: [] });

  /** Sends a load and waits for its end. */
  async run(plan: LoadPlan): Promise<LoadResult> {
    const settled = new AbortController();
    try {
      this.#child.send(plan);
      const answered = once(this.#child, "message", { signal: settled.signal });
      const [answer] = (await Promise.race([answered, this.#ended(settled.signal)])) as [
        LoadAnswer,
      ];
      return { ...answer, answers: new Map(answer.answers), times: new Histogram(answer.times) };
    } finally {
      settled.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#child.connected) return;
    const ended = once(this.#child, "exit");
    this.#child.disconnect();
    await ended;
  }

  async #ended(signal: AbortSignal): Promise<never> {
    const [status] = await once(this.#child, "exit", { signal });
    throw new Error(`The generator ended with ${status} before it had told its result.`);
  }
}

/** One load, from a process of its own. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  await using generator = new Generator();
  return await generator.run(plan);
}

/** All requests were answered with success; anything else makes a measurement worthless. */
export function assertAllSucceeded({ answers, sent, succeeded, lastFailure }: Tally): void {
  if (sent === succeeded) return;
  const kinds = [...answers].map(([status, count]) => `${count} × ${status || "broken"}`);
  throw new Error(
    `Of ${sent} requests, ${succeeded} succeeded: ${kinds.join(", ")}. The last failure: ${lastFailure}`,
  );
}
