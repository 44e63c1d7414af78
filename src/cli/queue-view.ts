import { access } from "node:fs/promises";
import { systemClock } from "../lib/clock.ts";
import { MillraceError } from "../lib/errors.ts";
import { parseTimeAhead, parseTimeText, timeTextForms } from "../lib/time-text.ts";
import type { QueuedEvent, QueueEngine } from "../queue/engine.ts";
import { type Flags, parseConfig } from "../runtime/config.ts";
import { existingDataFolder } from "../runtime/data-folder.ts";
import { createEngines } from "../runtime/engines.ts";
import type { Output } from "./output.ts";

/** What `list` and `tail` look for. */
export interface Filter {
  readonly type?: string;
  readonly key?: string;
}

/**
 * Opens the queue of a data folder to look at it, beside the processes that use it. Makes none.
 *
 * @throws MR_DATA_UNUSABLE where there is no queue
 */
export async function openQueue(flags: Flags): Promise<{ queue: QueueEngine } & AsyncDisposable> {
  const { config } = parseConfig(flags, process.env);
  const data = await existingDataFolder(config.data);
  await access(data.queue).catch((cause) => {
    throw new MillraceError("MR_DATA_UNUSABLE", `There is no queue in ${data.path} yet.`, {
      cause,
      remedy: "Start the system once: millrace start app.ts",
    });
  });
  const onFatal = (error: Error) => {
    throw error;
  };
  const engines = createEngines({ config, data, clock: systemClock, onFatal });
  return {
    queue: await engines.queue(),
    [Symbol.asyncDispose]: () => engines[Symbol.asyncDispose](),
  };
}

export const matches = ({ event }: QueuedEvent, { type, key }: Filter): boolean =>
  (type === undefined || event.type === type) && (key === undefined || event.key === key);

/** Partition → position of the last event before a time. */
export async function cursorsAt(queue: QueueEngine, timeMs: number): Promise<Map<number, number>> {
  const cursors = new Map<number, number>();
  for (let partition = 0; partition < queue.partitions; partition++) {
    cursors.set(partition, await queue.positionAt(partition, timeMs));
  }
  return cursors;
}

/**
 * Reads an option's time: `90s`, `10m`, `2h`, `7d` before now, or a time of RFC 3339.
 *
 * @throws MR_USAGE
 */
export function parsePast(option: string, text: string, nowMs: number): number {
  const timeMs = parseTimeText(text, nowMs);
  if (timeMs !== undefined) return timeMs;
  throw new MillraceError("MR_USAGE", `${option} is ${JSON.stringify(text)}.`, {
    remedy: `It takes ${timeTextForms}.`,
  });
}

/**
 * Reads `--at`: `90s`, `10m`, `2h`, `7d` from now, or a time of RFC 3339, which it returns.
 *
 * @throws MR_USAGE
 */
export function timeAhead(text: string, nowMs: number): string {
  const time = parseTimeAhead(text, nowMs);
  if (time !== undefined) return time;
  throw new MillraceError("MR_USAGE", `--at is ${JSON.stringify(text)}.`, {
    remedy: `It takes ${timeTextForms}.`,
  });
}

/** One event as data: the documented form of `events list --json` and `events tail --json`. */
export function tellEvent(queued: QueuedEvent, output: Output): void {
  const { event, partition, position, acceptedAt } = queued;
  const { id, type, key, source, time, data, attributes } = event;
  const accepted = new Date(acceptedAt).toISOString();
  if (output.json) {
    const place = { partition, position, acceptedAt: accepted };
    const parsed: unknown = JSON.parse(data);
    output.value({ id, type, key, source, time, ...place, data: parsed, attributes }, 0);
    return;
  }
  const columns = process.stdout.columns ?? Number.POSITIVE_INFINITY;
  const line = `${accepted}  ${id}  ${type}  ${clean(key)}  ${clean(data)}`;
  output.line(line.length > columns ? `${line.slice(0, columns - 1)}…` : line);
}

/** Data come from anybody: no control character of theirs reaches the terminal. */
export const clean = (text: string): string => text.replace(/\p{Cc}/gu, "?");
