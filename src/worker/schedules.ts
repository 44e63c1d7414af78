import type { DatabaseEngine, Transaction } from "../database/engine.ts";
import type { Clock } from "../lib/clock.ts";
import { asError } from "../lib/errors.ts";
import { derivedId } from "../lib/ids.ts";
import { limits } from "../lib/limits.ts";
import type { Log } from "../lib/log.ts";
import type { EventRecord } from "../system/event-record.ts";
import { makeEvent } from "../system/make-event.ts";
import { dataAt, type ScheduleDefinition, type Ticks, ticksOf } from "../system/schedule.ts";
import { advanceOf } from "./advances.ts";
import type { Outbox } from "./outbox.ts";
import type { OwnedPartition, Ownership } from "./ownership.ts";
import type { OutboxRow, WorkerStore } from "./store.ts";

/** Whoever owns this partition lets the worker's schedules tick; its fence is theirs. */
const tickingPartition = 0;

export interface SchedulesParts {
  /** `/{system}/{worker}` */
  readonly source: string;
  readonly schedules: readonly ScheduleDefinition[];
  readonly database: DatabaseEngine;
  readonly store: WorkerStore;
  readonly ownership: Ownership;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly log: Log;
}

/** A schedule as it stands; times are milliseconds since 1970. */
export interface ScheduleStatus {
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  /** The last tick that is settled, or when the schedule began. */
  readonly lastTick: number;
  /** Undefined where the application no longer has it. */
  readonly nextTick: number | undefined;
}

export async function schedulesIn(database: DatabaseEngine): Promise<ScheduleStatus[]> {
  const rows = await database.read<{
    name: string;
    cron: string;
    time_zone: string;
    last_tick: number;
    next_tick: number | null;
  }>("select name, cron, time_zone, last_tick, next_tick from millrace_schedules order by name");
  return rows.map(({ name, cron, time_zone, last_tick, next_tick }) => ({
    ...{ name, cron, timeZone: time_zone },
    lastTick: last_tick,
    nextTick: next_tick ?? undefined,
  }));
}

interface Running {
  readonly definition: ScheduleDefinition;
  readonly ticks: Ticks;
  /** The last tick that is settled, as the database has it; milliseconds since 1970. */
  lastTick: number;
  nextTick: number;
}

/**
 * Makes the recurring events of a worker. A tick commits its events to the outbox together with the
 * note that it is settled, under the fence of a partition, so that it comes once however many
 * instances run, and however often they end.
 */
export class Schedules {
  readonly #parts: SchedulesParts;
  #running: Running[] | undefined;
  #epoch: number | undefined;

  constructor(parts: SchedulesParts) {
    this.#parts = parts;
  }

  /** Milliseconds until the next tick of this instance; Infinity where it has none. */
  get msUntilDue(): number {
    if (this.#owned === undefined || this.#parts.schedules.length === 0) {
      return Number.POSITIVE_INFINITY;
    }
    if (this.#running === undefined) return 0;
    const next = Math.min(...this.#running.map(({ nextTick }) => nextTick));
    return Math.max(0, next - this.#parts.clock.now());
  }

  /** Settles what is due. */
  async tick(): Promise<void> {
    const owned = this.#owned;
    if (owned === undefined || this.msUntilDue > 0) return;
    if (owned.epoch !== this.#epoch) this.#running = undefined;
    this.#running ??= await this.#load(owned);
    this.#epoch = owned.epoch;
    const now = this.#parts.clock.now();
    for (const running of this.#running) {
      if (running.nextTick <= now) await this.#settle(running, owned, now);
    }
  }

  get #owned(): OwnedPartition | undefined {
    const owned = this.#parts.ownership.owned.get(tickingPartition);
    return owned === undefined || owned.isPaused ? undefined : owned;
  }

  /** A schedule that is new, or back again, begins now. */
  async #load(owned: OwnedPartition): Promise<Running[]> {
    const { clock, database, schedules, store } = this.#parts;
    return await database.transaction(async (tx) => {
      const stored = await tx.run<{ name: string; last_tick: number; next_tick: number | null }>(
        "select name, last_tick, next_tick from millrace_schedules",
      );
      const known = new Map(stored.map((row) => [row.name, row]));
      await tx.run("update millrace_schedules set next_tick = null");
      const running: Running[] = [];
      for (const definition of schedules) {
        const row = known.get(definition.name);
        const isGoingOn = row !== undefined && row.next_tick !== null;
        const lastTick = isGoingOn ? row.last_tick : clock.now();
        const ticks = ticksOf(definition);
        const one = { definition, ticks, lastTick, nextTick: nextAfter(ticks, lastTick) };
        await write(tx, one);
        running.push(one);
      }
      await store.advance(tx, [advanceOf(owned)]);
      return running;
    });
  }

  async #settle(running: Running, owned: OwnedPartition, now: number): Promise<void> {
    const { database, outbox, store } = this.#parts;
    const { ticks, settledUpTo } = dueTicks(running, now);
    const events = await this.#eventsOf(running, ticks);
    if (events === undefined) return;
    const next: Running = {
      ...running,
      lastTick: settledUpTo,
      nextTick: nextAfter(running.ticks, settledUpTo),
    };
    const posted = await database.transaction(async (tx): Promise<readonly OutboxRow[]> => {
      await write(tx, next);
      const rows = await store.post(
        tx,
        events.map((event) => ({ partition: tickingPartition, event })),
      );
      await store.advance(tx, [advanceOf(owned)]);
      return rows;
    });
    running.lastTick = next.lastTick;
    running.nextTick = next.nextTick;
    outbox.add(posted);
  }

  /** Undefined where the application cannot make them; then the ticks wait and are tried again. */
  async #eventsOf(running: Running, ticks: readonly Date[]): Promise<EventRecord[] | undefined> {
    const { log, source } = this.#parts;
    const { definition } = running;
    try {
      const made = ticks.map(async (tick) =>
        makeEvent(definition.event, dataAt(definition, tick), {
          id: derivedId(tick.getTime(), source, "schedule", definition.name, tick.toISOString()),
          source,
          time: tick.toISOString(),
          attributes: {},
        }),
      );
      return await Promise.all(made);
    } catch (thrown) {
      running.nextTick = this.#parts.clock.now() + limits.tickRetryMs;
      log.error(
        { err: asError(thrown), schedule: definition.name },
        "the schedule could not make its event; it is tried again",
      );
      return undefined;
    }
  }
}

/** The ticks to make events for, and the one up to which all are settled then. */
function dueTicks(
  { definition: { missed }, ticks, lastTick }: Running,
  now: number,
): { readonly ticks: readonly Date[]; readonly settledUpTo: number } {
  const isMissed = (tick: Date) => tick.getTime() < now - limits.tickMissedMs;
  const first = ticks.next(new Date(lastTick));
  const isLate = first !== undefined && isMissed(first);
  if (isLate && missed === "once") {
    // A tick at this very time is due, too.
    const last = ticks.previous(new Date(now + 1)) ?? first;
    return { ticks: [last], settledUpTo: last.getTime() };
  }
  const from = isLate && missed === "skip" ? now - limits.tickMissedMs - 1 : lastTick;
  const due: Date[] = [];
  let settledUpTo = from;
  for (
    let tick = ticks.next(new Date(from));
    tick !== undefined && tick.getTime() <= now && due.length < limits.ticksAtOnceMax;
    tick = ticks.next(tick)
  ) {
    due.push(tick);
    settledUpTo = tick.getTime();
  }
  return { ticks: due, settledUpTo };
}

const nextAfter = (ticks: Ticks, after: number): number =>
  ticks.next(new Date(after))?.getTime() ?? Number.POSITIVE_INFINITY;

async function write(tx: Transaction, { definition, lastTick, nextTick }: Running): Promise<void> {
  await tx.run(
    `insert into millrace_schedules (name, cron, time_zone, last_tick, next_tick)
     values ($1, $2, $3, $4, $5) on conflict (name) do update set cron = excluded.cron,
       time_zone = excluded.time_zone, last_tick = excluded.last_tick,
       next_tick = excluded.next_tick`,
    [
      definition.name,
      definition.cron,
      definition.timeZone,
      lastTick,
      Number.isFinite(nextTick) ? nextTick : null,
    ],
  );
}
