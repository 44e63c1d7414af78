import type { Clock } from "../lib/clock.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { Place, ScheduledId, Standing, WorkerLink } from "../worker/link.ts";

/** Where an event stands at a worker, or that the worker cannot be asked now. */
export type KnownStanding = Standing | { readonly state: "unknown"; readonly error: string };

/** Asks every worker that handles a type where an event of it stands. */
export interface Standings {
  /** Worker → standing. Waits up to `waitMs` for all to be done or dead; 0 asks only. */
  of(
    type: string,
    place: Place,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, KnownStanding>>;

  /**
   * Cancels a scheduled event at every worker that handles its type, or at all where that is not
   * known. Worker → whether it is cancelled there.
   *
   * @throws as WorkerLink.cancel
   */
  cancel(
    type: string | undefined,
    scheduled: ScheduledId,
    place: Place | undefined,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, boolean>>;
}

export function createStandings(
  system: SystemDefinition,
  links: ReadonlyMap<string, WorkerLink>,
  clock: Clock,
): Standings {
  const handling = new Map<string, string[]>();
  for (const { name, handlers } of system.workers) {
    for (const { event } of handlers) {
      handling.set(event.type, [...(handling.get(event.type) ?? []), name]);
    }
  }
  return {
    async of(type, place, waitMs, signal) {
      const names = handling.get(type) ?? [];
      const endMs = clock.monotonic() + waitMs;
      const standings = await Promise.all(
        names.map((name) => standingAt(links.get(name), place, { clock, endMs, signal })),
      );
      return new Map(standings.map((standing, index) => [names[index] ?? "", standing]));
    },
    async cancel(type, scheduled, place, signal) {
      const names = type === undefined ? links.keys() : (handling.get(type) ?? []);
      const cancelling = [...names].map(async (name): Promise<[string, boolean]> => {
        const link = links.get(name);
        if (link !== undefined) return [name, await link.cancel(scheduled, place, signal)];
        throw new MillraceError("MR_WORKER_UNAVAILABLE", `${name} cannot be reached.`);
      });
      return new Map(await Promise.all(cancelling));
    },
  };
}

interface Waiting {
  readonly clock: Clock;
  /** On the monotonic clock. */
  readonly endMs: number;
  readonly signal: AbortSignal;
}

/**
 * One worker that is down must not hide how the others stand. While there is time, it is asked
 * again: it may be starting, or about to be there anew.
 */
async function standingAt(
  link: WorkerLink | undefined,
  place: Place,
  { clock, endMs, signal }: Waiting,
): Promise<KnownStanding> {
  if (link === undefined) return { state: "unknown", error: "MR_WORKER_UNAVAILABLE" };
  for (;;) {
    try {
      return await link.standing(place, Math.max(0, endMs - clock.monotonic()), signal);
    } catch (thrown) {
      const error = isMillraceError(thrown) ? thrown.code : asError(thrown).name;
      const leftMs = endMs - clock.monotonic();
      const mayCome = error === "MR_WORKER_UNAVAILABLE" && leftMs > 0 && !signal.aborted;
      if (!mayCome) return { state: "unknown", error };
      await clock.sleep(Math.min(limits.linkProbeMs, leftMs), signal);
    }
  }
}

export type OverallState = "done" | "dead" | "cancelled" | "scheduled" | "pending";

/**
 * `dead` as soon as one worker gave up; `done` once all have applied the event; `cancelled` or
 * `scheduled` where that is all that keeps it from being done; else `pending`.
 */
export function overall(standings: ReadonlyMap<string, KnownStanding>): OverallState {
  const states = new Set([...standings.values()].map(({ state }) => state));
  if (states.has("dead")) return "dead";
  states.delete("done");
  if (states.size === 0) return "done";
  states.delete("cancelled");
  if (states.size === 0) return "cancelled";
  states.delete("scheduled");
  return states.size === 0 ? "scheduled" : "pending";
}
