import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { openSqliteQueue, type SqliteQueueOptions } from "../../src/engines/sqlite/queue.ts";
import type { AppendRequest, QueuedEvent, QueueEngine } from "../../src/queue/engine.ts";
import { request, type WriterLine, type WriterOptions } from "./writer-terms.ts";

/** A new folder, removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "millrace-queue-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An engine that is closed when the test is over. */
export async function openQueue(options: SqliteQueueOptions): Promise<QueueEngine> {
  const engine = await openSqliteQueue({ partitions: 4, ballastBytes: 0, ...options });
  onTestFinished(() => engine.close());
  return engine;
}

export const requests = (prefix: string, count: number, data?: string): AppendRequest[] =>
  Array.from({ length: count }, (_, at) => request(`${prefix}-${at}`, at % 4, data));

export { request };

export const fromStart = (): Map<number, number> => new Map([0, 1, 2, 3].map((one) => [one, 0]));

const allFromStart = ({ partitions }: QueueEngine) =>
  new Map(Array.from({ length: partitions }, (_, partition) => [partition, 0]));

export async function readAll(
  engine: QueueEngine,
  cursors: ReadonlyMap<number, number> = allFromStart(engine),
): Promise<QueuedEvent[]> {
  const subscription = engine.subscribe(cursors);
  const events: QueuedEvent[] = [];
  for (;;) {
    const batch = await subscription.next(500, 0);
    if (batch.events.length === 0 && batch.positions.size === 0) break;
    events.push(...batch.events);
  }
  await subscription.close();
  return events;
}

export const idsOf = (events: readonly QueuedEvent[]): string[] =>
  events.map(({ event }) => event.id);

export interface WriterProcess {
  readonly process: ChildProcess;
  readonly exited: Promise<unknown>;
}

const program = fileURLToPath(new URL("./writer-process.ts", import.meta.url));

/** Starts a process that appends, one call after another, and tells each answer. */
export function startWriter(
  options: WriterOptions,
  onLine: (line: WriterLine) => void,
): WriterProcess {
  const { fileKibibytesMax } = options;
  const command = [process.execPath, program, JSON.stringify(options)];
  const limited = ["sh", "-c", `ulimit -f ${(fileKibibytesMax ?? 0) * 2}; exec "$0" "$@"`];
  const [file = "", ...parameters] =
    fileKibibytesMax === undefined ? command : [...limited, ...command];
  const child = spawn(file, parameters, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    // A killed process may leave half a line: what it did not finish saying was not acknowledged.
    if (line.endsWith("}")) onLine(JSON.parse(line));
  });
  return { process: child, exited: Promise.all([once(child, "exit"), once(lines, "close")]) };
}
