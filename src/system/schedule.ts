import { Cron } from "croner";
import { type DefinitionSite, definitionSite } from "./definition-site.ts";
import type { AnyEvent, DataInput } from "./event.ts";

export interface ScheduleOptions<E extends AnyEvent> {
  /**
   * A cron expression: minute, hour, day of the month, month, day of the week, with a field for
   * seconds before them where it has six; or `@hourly`, `@daily`, `@weekly`, `@monthly`.
   */
  readonly cron: string;
  /**
   * The IANA time zone in which it is meant, such as "Europe/Berlin"; else UTC. A time that the
   * clocks skip in spring comes when they have; one that comes twice in autumn counts once.
   */
  readonly timeZone?: string;
  readonly event: E;
  /** The event's data, or what makes it of the tick's time. */
  readonly data: DataInput<E> | ((tick: Date) => DataInput<E>);
  /**
   * What becomes of ticks for which nobody was there: one event for all of them, the last (`once`,
   * the default), one for each (`all`), or none (`skip`).
   */
  readonly missed?: Missed;
}

export type Missed = "once" | "all" | "skip";

/** A recurring event of a worker. */
export interface ScheduleDefinition {
  readonly kind: "schedule";
  readonly name: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly event: AnyEvent;
  readonly data: unknown;
  readonly missed: Missed;
  readonly site: DefinitionSite | undefined;
}

/**
 * An event that comes again and again, once a tick however many instances run. Its time is the
 * tick's.
 *
 * @example
 * schedule("daily-report", {
 *   cron: "0 8 * * 1-5",
 *   timeZone: "Europe/Berlin",
 *   event: ReportDue,
 *   data: (tick) => ({ day: tick.toISOString().slice(0, 10) }),
 * })
 */
export function schedule<E extends AnyEvent>(
  name: string,
  options: ScheduleOptions<E>,
): ScheduleDefinition {
  return Object.freeze({
    kind: "schedule" as const,
    name,
    cron: options.cron,
    timeZone: options.timeZone ?? "UTC",
    event: options.event,
    data: options.data,
    missed: options.missed ?? "once",
    site: definitionSite(schedule),
  });
}

/** Data of the event that a tick makes. */
export const dataAt = ({ data }: ScheduleDefinition, tick: Date): unknown =>
  typeof data === "function" ? data(tick) : data;

/** When a schedule ticks. */
export interface Ticks {
  /** The first tick after a time; undefined where none comes. */
  next(after: Date): Date | undefined;
  /** The last tick before a time. */
  previous(before: Date): Date | undefined;
}

/** @throws Error, told in a sentence, where the expression or the time zone cannot be read */
export function ticksOf({ cron, timeZone }: Pick<ScheduleDefinition, "cron" | "timeZone">): Ticks {
  const pattern = new Cron(cron, { timezone: timeZone, paused: true });
  return {
    next: (after) => pattern.nextRun(after) ?? undefined,
    previous: (before) => pattern.previousRuns(1, before)[0],
  };
}
