import { Pool } from "undici";
import type { Clock } from "../lib/clock.ts";
import type { Standing } from "../worker/link.ts";
import { check, type Effect, type Kept, type Published, type Verdict } from "./checker.ts";
import { type Judge, leastOf, type Readable } from "./judge.ts";

export interface StandingJudgeOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The workers that handle the events, and their databases. */
  readonly databases: ReadonlyMap<string, Readable>;
  /** Worker → where it writes one row for each event's id; absent: its inbox is asked. */
  readonly effectColumns: ReadonlyMap<string, EffectColumn>;
  readonly clock: Clock;
}

/** A column of a worker's own tables that holds the id of the event that a row came from. */
export interface EffectColumn {
  readonly table: string;
  readonly column: string;
  /** What tells the order in which the rows were written; absent: the database cannot tell. */
  readonly order?: string;
}

interface EffectRow {
  readonly id: string;
  readonly at: number | string;
}

/** Asked at once; the gateways serve others meanwhile. */
const askedAtOnce = 32;
/** Handled events are looked for so far back: what was handled was committed a little later. */
const lookBackMs = 2_000;

/**
 * Judges any application, by two books that are kept apart: where an event stands by the worker's
 * positions (`GET /events/{id}`), and whether its id is in the worker's inbox, or rather in a
 * column of its tables, where one is named: only that shows an effect that came twice.
 */
export class StandingJudge implements Judge {
  readonly #options: StandingJudgeOptions;
  readonly #published: () => readonly Published[];
  readonly #handled = new Map<string, Set<string>>();
  readonly #standings = new Map<string, Readonly<Record<string, Standing>>>();
  #sinceMs: number;

  /** @param published what was published so far */
  constructor(options: StandingJudgeOptions, published: () => readonly Published[]) {
    this.#options = options;
    this.#published = published;
    this.#sinceMs = options.clock.now();
    for (const worker of options.databases.keys()) this.#handled.set(worker, new Set());
  }

  async applied(): Promise<ReadonlyMap<string, number>> {
    const sinceMs = this.#sinceMs - lookBackMs;
    this.#sinceMs = this.#options.clock.now();
    const workers: Map<string, number>[] = [];
    for (const [worker, database] of this.#options.databases) {
      const rows = await database.read<{ id: string }>(
        "select id from millrace_inbox where handled_at >= $1",
        [sinceMs],
      );
      const handled = this.#handled.get(worker) ?? new Set();
      for (const { id } of rows) handled.add(id);
      workers.push(countByKey(this.#published(), handled));
    }
    return leastOf(workers);
  }

  async verdicts(published: readonly Published[]): Promise<ReadonlyMap<string, Verdict>> {
    await this.#askStandings(published);
    const verdicts = new Map<string, Verdict>();
    for (const worker of this.#options.databases.keys()) {
      verdicts.set(worker, await this.#verdictOf(worker, published));
    }
    return verdicts;
  }

  async #verdictOf(worker: string, published: readonly Published[]): Promise<Verdict> {
    const accepted = published.filter(({ id }) => id !== undefined);
    const isIn = (...states: readonly Standing["state"][]) =>
      accepted.filter(({ id }) => {
        const standing = this.#standings.get(id ?? "")?.[worker];
        return standing !== undefined && states.includes(standing.state);
      });
    const kept = { parked: isIn("retrying", "behind", "scheduled"), dead: isIn("dead") };
    const verdict = check(published, await this.#effects(worker, published, kept), kept);
    // Both books must have it: done by its place, and found by its id.
    const known = new Set([...isIn("done"), ...kept.parked, ...kept.dead]);
    const unknown = accepted.filter((event) => !known.has(event));
    const names = unknown.map(({ key, n }) => `${key}-${n}`);
    return { ...verdict, lost: [...new Set([...verdict.lost, ...names])] };
  }

  /** Those of the events that had an effect, in the order in which they had it. */
  async #effects(
    worker: string,
    published: readonly Published[],
    { parked, dead }: Kept,
  ): Promise<Effect[]> {
    const own = this.#options.effectColumns.get(worker);
    const rows =
      own === undefined
        ? // An id is taken on before its effect is there, and stays when it is given up on.
          "select id, handled_at as at from millrace_inbox"
        : `select "${own.column}" as id, ${own.order ?? 0} as at from "${own.table}"`;
    const byId = new Map(published.map((event) => [event.id, event]));
    const without = new Set<Effect>(own === undefined ? [...parked, ...dead] : []);
    const found = (await this.#options.databases.get(worker)?.read<EffectRow>(rows)) ?? [];
    return found
      .flatMap(({ id, at }) => {
        const event = byId.get(id);
        return event === undefined || without.has(event) ? [] : [{ event, at: Number(at) }];
      })
      .toSorted((one, other) => one.at - other.at || one.event.n - other.event.n)
      .map(({ event }) => event);
  }

  /** Asks about every event whose standing may still change. */
  async #askStandings(published: readonly Published[]): Promise<void> {
    const { url, headers } = this.#options;
    const open = published.flatMap(({ id }) => {
      const known = Object.values(this.#standings.get(id ?? "") ?? {});
      const isSettled = known.length > 0 && known.every(({ state }) => state === "done");
      return id === undefined || isSettled ? [] : [id];
    });
    const pool = new Pool(url, { connections: askedAtOnce });
    const ask = async () => {
      for (let id = open.pop(); id !== undefined; id = open.pop()) {
        const answer = await pool
          .request({ method: "GET", path: `/events/${encodeURIComponent(id)}`, headers })
          .then(async ({ statusCode, body }) => {
            const value = (await body.json()) as { workers?: Record<string, Standing> };
            return statusCode === 200 ? value.workers : undefined;
          })
          .catch(() => undefined);
        if (answer !== undefined) this.#standings.set(id, answer);
      }
    };
    await Promise.all(Array.from({ length: askedAtOnce }, ask));
    await pool.destroy();
  }
}

function countByKey(
  published: readonly Published[],
  handled: ReadonlySet<string>,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { key, id } of published) {
    if (id !== undefined && handled.has(id)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
