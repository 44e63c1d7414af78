import type { Clock } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import { isDependencyFailure } from "../worker/outcome.ts";

/**
 * Opens what a box depends on, for as long as a start may take: servers may begin at the same time,
 * and on a machine where everything does, a server's answer can come too late.
 *
 * @throws what the last try has told; at once where it is no dependency that failed
 */
export async function patiently<Opened>(
  open: () => Promise<Opened>,
  { clock, log }: { readonly clock: Clock; readonly log?: Log },
): Promise<Opened> {
  const lastMs = clock.monotonic() + limits.startTimeoutMs;
  for (;;) {
    try {
      return await open();
    } catch (thrown) {
      if (!isDependencyFailure(thrown) || clock.monotonic() > lastMs) throw thrown;
      log?.warn({ err: asError(thrown) }, "the start waits for what it depends on");
      await clock.sleep(limits.startRetryMs);
    }
  }
}
