import { systemClock } from "../lib/clock.ts";
import { asError, isMillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { QueueEngine } from "../queue/engine.ts";
import { loadApplication } from "../runtime/application.ts";
import type { Flags } from "../runtime/config.ts";
import { readData } from "../system/event-data.ts";
import type { EventRecord } from "../system/event-record.ts";
import type { SystemDefinition } from "../system/system.ts";
import { storedEvents } from "../worker/stored-events.ts";
import type { ExitCode } from "./command.ts";
import { counted, type Output } from "./output.ts";
import { clean, cursorsAt } from "./queue-view.ts";
import { StatusLine } from "./status-line.ts";
import { openWorkers } from "./worker-view.ts";

interface Call {
  readonly app: string;
  readonly flags: Flags;
  readonly output: Output;
}

/** Events that cannot be read for the same reason. */
interface Unreadable {
  /** `queue`, or a worker and as what it keeps them: `orders, parked`. */
  readonly where: string;
  readonly type: string;
  readonly version: number;
  readonly reason: string;
  count: number;
  /** One of them. */
  readonly id: string;
}

/** Lists what an application could not read of all that is stored. */
export async function checkStored({ app, flags, output }: Call): Promise<ExitCode> {
  const system = await loadApplication(app);
  await using opened = await openWorkers(flags);
  const findings = new Findings(system);
  for await (const events of queued(await opened.queue())) {
    for (const event of events) await findings.check("queue", event, false);
  }
  for (const { name, database } of opened.workers) {
    const definition = system.workers.find((worker) => worker.name === name);
    const handled = new Set(definition?.handlers.map(({ event }) => event.type));
    for await (const stored of storedEvents(database)) {
      for (const { as, event } of stored) {
        await findings.check(`${name}, ${as}`, event, as !== "outbox" && !handled.has(event.type));
      }
    }
  }
  findings.status.set("");
  const found = findings.all;
  if (output.json) output.value({ checked: findings.checked, unreadable: found });
  for (const { where, type, version, reason, count, id } of output.json ? [] : found) {
    output.line(`${count}×  ${where}  ${type}, version ${version}: ${clean(reason)}`);
    output.line(`    such as ${id}`);
  }
  output.progress(`${counted(findings.checked, "event")} read.`);
  if (found.length === 0) output.progress("The application can read all of them.");
  return found.length === 0 ? 0 : 1;
}

class Findings {
  readonly status = new StatusLine();
  readonly #system: SystemDefinition;
  readonly #found = new Map<string, Unreadable>();
  readonly #startedAt = systemClock.monotonic();
  checked = 0;

  constructor(system: SystemDefinition) {
    this.#system = system;
  }

  get all(): readonly Unreadable[] {
    return [...this.#found.values()];
  }

  /** Events of the queue that nobody handles any more are passed over; those of workers are not. */
  async check(where: string, event: EventRecord, isOrphan: boolean): Promise<void> {
    this.checked += 1;
    if (this.checked % 1_000 === 0) this.#tell();
    const definition = this.#system.events.get(event.type);
    if (definition === undefined || isOrphan) {
      if (where !== "queue") this.#add(where, event, "nothing in the application handles it");
      return;
    }
    try {
      await readData(definition, event);
    } catch (thrown) {
      this.#add(where, event, reasonOf(asError(thrown)));
    }
  }

  #add(where: string, { id, type, attributes }: EventRecord, reason: string): void {
    const version = attributes.version ?? 1;
    const name = JSON.stringify([where, type, version, reason]);
    const known = this.#found.get(name);
    if (known === undefined) this.#found.set(name, { where, type, version, reason, count: 1, id });
    else known.count += 1;
  }

  #tell(): void {
    const seconds = (systemClock.monotonic() - this.#startedAt) / 1_000;
    const rate = Math.round(this.checked / Math.max(seconds, 0.001));
    this.status.set(`${this.checked} events, ${rate} a second`);
  }
}

function reasonOf(error: Error): string {
  const faults = isMillraceError(error) ? error.faults : [];
  if (faults.length === 0) return error.message;
  return faults.map(({ detail, pointer }) => `${pointer} ${detail}`).join("; ");
}

/** Everything that the queue holds now, in pages. */
async function* queued(queue: QueueEngine): AsyncGenerator<EventRecord[]> {
  const ends = await queue.ends();
  const subscription = queue.subscribe(await cursorsAt(queue, 0));
  try {
    for (let reached = new Map<number, number>(); ; ) {
      const { events, positions } = await subscription.next(limits.deadLetterPageMax, 0);
      if (positions.size === 0) return;
      yield events.map(({ event }) => event);
      reached = new Map([...reached, ...positions]);
      if ([...ends].every(([partition, end]) => (reached.get(partition) ?? 0) >= end)) return;
    }
  } finally {
    await subscription.close();
  }
}
