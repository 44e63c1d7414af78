import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { QueuedEvent, QueueEngine } from "../queue/engine.ts";
import type { Flags } from "../runtime/config.ts";
import type { ExitCode } from "./command.ts";
import type { Output } from "./output.ts";
import { cursorsAt, type Filter, matches, openQueue, parsePast, tellEvent } from "./queue-view.ts";

interface Call extends Filter {
  readonly since?: string;
  readonly limit?: string;
  readonly flags: Flags;
  readonly output: Output;
}

export async function runList({
  since,
  limit = "20",
  flags,
  output,
  ...filter
}: Call): Promise<ExitCode> {
  const count = Number(limit);
  if (!Number.isSafeInteger(count) || count < 1 || count > limits.listedEventsMax) {
    throw new MillraceError("MR_USAGE", `--limit is ${limit}.`, {
      remedy: `It takes a whole number from 1 to ${limits.listedEventsMax}.`,
    });
  }
  const now = systemClock.now();
  const from = since === undefined ? undefined : parsePast("--since", since, now);
  await using opened = await openQueue(flags);
  const events = await newest(opened.queue, { filter, count, from, now });
  for (const event of events) tellEvent(event, output);
  const last = events.at(-1);
  if (last === undefined) output.progress("No events.");
  else output.progress(`Where one stands: millrace events show ${last.event.id}`);
  return 0;
}

interface Search {
  readonly filter: Filter;
  readonly count: number;
  readonly from: number | undefined;
  readonly now: number;
}

/** A queue is read forwards only, so the newest are looked for in growing windows of time. */
async function newest(queue: QueueEngine, search: Search): Promise<QueuedEvent[]> {
  const { filter, count, from, now } = search;
  if (from !== undefined) return await newestSince(queue, from, filter, count);
  for (const windowMs of [60_000, 3_600_000, 86_400_000]) {
    const found = await newestSince(queue, now - windowMs, filter, count);
    if (found.length === count) return found;
  }
  return await newestSince(queue, 0, filter, count);
}

async function newestSince(
  queue: QueueEngine,
  fromMs: number,
  filter: Filter,
  count: number,
): Promise<QueuedEvent[]> {
  const cursors = await cursorsAt(queue, fromMs);
  const ends = await queue.ends();
  const types = filter.type === undefined ? {} : { types: new Set([filter.type]) };
  const subscription = queue.subscribe(cursors, types);
  const reached = new Map(cursors);
  const isBehind = () => [...ends].some(([partition, end]) => (reached.get(partition) ?? 0) < end);
  let found: QueuedEvent[] = [];
  try {
    while (isBehind()) {
      const { events, positions } = await subscription.next(limits.passEventsMax, 0);
      if (positions.size === 0) break;
      for (const [partition, position] of positions) reached.set(partition, position);
      found = [...found, ...events.filter((event) => matches(event, filter))].slice(-count);
    }
  } finally {
    await subscription.close();
  }
  return found;
}
