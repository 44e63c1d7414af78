import { systemClock } from "../lib/clock.ts";
import { limits } from "../lib/limits.ts";
import type { Flags } from "../runtime/config.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";
import { cursorsAt, type Filter, matches, openQueue, parsePast, tellEvent } from "./queue-view.ts";

interface Call extends Filter {
  readonly since?: string;
  readonly flags: Flags;
  readonly output: Output;
}

/** Follows the queue until it is interrupted. */
export async function runTail({ since, flags, output, ...filter }: Call): Promise<ExitCode> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => interrupted.abort());
  }
  const now = systemClock.now();
  const from = since === undefined ? undefined : parsePast("--since", since, now);
  await using opened = await openQueue(flags);
  const { queue } = opened;
  const cursors = from === undefined ? await queue.ends() : await cursorsAt(queue, from);
  const types = filter.type === undefined ? {} : { types: new Set([filter.type]) };
  const subscription = queue.subscribe(cursors, types);
  output.progress("Following the queue; Ctrl-C ends it.");
  try {
    while (!interrupted.signal.aborted) {
      const { events } = await subscription.next(
        limits.passEventsMax,
        limits.idleWaitMs,
        interrupted.signal,
      );
      for (const event of events) if (matches(event, filter)) tellEvent(event, output);
    }
  } finally {
    await subscription.close();
  }
  return 130;
}
