import { setTimeout } from "node:timers/promises";

/** Waits until `condition` holds; fails where it does not within the given time. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs = 20_000,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
    await setTimeout(10);
  }
}
