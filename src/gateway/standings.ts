import { asError, isMillraceError } from "../lib/errors.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { Place, Standing, WorkerLink } from "../worker/link.ts";

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
}

export function createStandings(
  system: SystemDefinition,
  links: ReadonlyMap<string, WorkerLink>,
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
      const standings = await Promise.all(
        names.map((name) => standingAt(links.get(name), place, waitMs, signal)),
      );
      return new Map(standings.map((standing, index) => [names[index] ?? "", standing]));
    },
  };
}

/** One worker that is down must not hide how the others stand. */
async function standingAt(
  link: WorkerLink | undefined,
  place: Place,
  waitMs: number,
  signal: AbortSignal,
): Promise<KnownStanding> {
  if (link === undefined) return { state: "unknown", error: "MR_WORKER_UNAVAILABLE" };
  try {
    return await link.standing(place, waitMs, signal);
  } catch (error) {
    return { state: "unknown", error: isMillraceError(error) ? error.code : asError(error).name };
  }
}

/** `dead` as soon as one worker gave up, `done` once all have applied the event, else `pending`. */
export function overall(
  standings: ReadonlyMap<string, KnownStanding>,
): "done" | "dead" | "pending" {
  const states = [...standings.values()].map(({ state }) => state);
  if (states.includes("dead")) return "dead";
  return states.every((state) => state === "done") ? "done" : "pending";
}
