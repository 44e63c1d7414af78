import { setTimeout as sleep } from "node:timers/promises";

/** What a post can ask for that mentions somebody: trouble in the worker that tells them. */
type Trouble = "fail" | "hang" | "crash" | "slow";

const troubleIn = (text: string): Trouble | undefined =>
  /(?<!\S)#(fail|hang|crash|slow)\b/i.exec(text)?.[1]?.toLowerCase() as Trouble | undefined;

/** `#slow` takes three seconds, `#hang` for ever; beside the transaction, so that others go on. */
export async function lingerFor(text: string, signal: AbortSignal): Promise<void> {
  const trouble = troubleIn(text);
  if (trouble === "slow") await sleep(3_000, undefined, { signal });
  if (trouble === "hang") await new Promise(() => {});
}

/** `#fail` throws, `#crash` ends the process. */
export function stumbleOver(text: string): void {
  const trouble = troubleIn(text);
  if (trouble === "fail") throw new Error("the post asked for it: #fail");
  if (trouble === "crash") process.exit(1);
}
