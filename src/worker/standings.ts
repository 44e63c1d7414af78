import type { DatabaseEngine } from "../database/engine.ts";
import type { Place, Progress as ProgressReport, Standing } from "./link.ts";
import { describeFailure } from "./outcome.ts";
import type { Progress } from "./progress.ts";

interface ParkedRow {
  readonly key: string;
  readonly attempts: number;
  readonly next_at: number | null;
  readonly error: string | null;
}

interface DeadRow {
  readonly dead: 1;
  readonly attempts: number;
  readonly error: string;
}

interface TimerRow {
  readonly dead: 0;
  readonly due_at: number;
  readonly cancelled_at: number | null;
}

/** Nothing more will come of it, unless a person steps in. */
const isFinal = ({ state }: Standing): boolean =>
  state === "done" || state === "dead" || state === "cancelled";

/** Tells where events stand, from the worker's bookkeeping. */
export class Standings {
  readonly #database: DatabaseEngine;
  readonly #progress: Progress;

  constructor(database: DatabaseEngine, progress: Progress) {
    this.#database = database;
    this.#progress = progress;
  }

  /** Waits up to `waitMs` for the event to be done or dead, then tells where it stands. */
  async standing(place: Place, waitMs: number, signal?: AbortSignal): Promise<Standing> {
    let standing: Standing = { state: "waiting" };
    await this.#progress.until(
      async () => {
        standing = await this.#look(place);
        return isFinal(standing);
      },
      waitMs,
      signal,
    );
    return standing;
  }

  async report(): Promise<ProgressReport> {
    const positions = await this.#progress.positions();
    const owners = await this.#database.read<{ owner: string | null; partition: number }>(
      "select owner, partition from millrace_positions where owner is not null order by partition",
    );
    const [counts] = await this.#database.read<{ parked: number; dead: number }>(
      `select (select count(*) from millrace_parked) as parked,
         (select count(*) from millrace_dead_letters) as dead`,
    );
    const byOwner = Map.groupBy(owners, ({ owner }) => owner ?? "");
    return {
      positions: Object.fromEntries(positions),
      instances: [...byOwner].map(([instance, rows]) => ({
        instance,
        partitions: rows.map(({ partition }) => partition),
      })),
      parkedEvents: counts?.parked ?? 0,
      deadLetters: counts?.dead ?? 0,
    };
  }

  async #look({ partition, position }: Place): Promise<Standing> {
    if ((await this.#progress.position(partition)) < position) return { state: "waiting" };
    const [parked] = await this.#database.read<ParkedRow>(
      `select key, attempts, next_at, error from millrace_parked
       where partition = $1 and position = $2`,
      [partition, position],
    );
    if (parked !== undefined) return await this.#parked(parked);
    const [other] = await this.#database.read<DeadRow | TimerRow>(
      `select 1 as dead, attempts, error, null as due_at, null as cancelled_at
       from millrace_dead_letters where partition = $1 and position = $2
       union all
       select 0, 0, null, due_at, cancelled_at
       from millrace_timers where partition = $1 and position = $2`,
      [partition, position],
    );
    if (other === undefined) return { state: "done" };
    if (other.dead === 1) {
      return { state: "dead", attempts: other.attempts, error: describe(other.error) };
    }
    if (other.cancelled_at !== null) return { state: "cancelled" };
    return { state: "scheduled", at: new Date(other.due_at).toISOString() };
  }

  async #parked({ key, attempts, next_at, error }: ParkedRow): Promise<Standing> {
    if (next_at !== null && attempts === 0) return { state: "waiting" };
    if (next_at !== null) {
      const nextAttemptAt = new Date(next_at).toISOString();
      return { state: "retrying", attempts, nextAttemptAt, error: describe(error) };
    }
    const [head] = await this.#database.read<{ id: string }>(
      `select id, position from millrace_parked where key = $1
       union all
       select id, position from millrace_dead_letters where key = $1 and held = 1
       order by position limit 1`,
      [key],
    );
    return { state: "behind", eventId: head?.id ?? "" };
  }
}

function describe(stored: string | null): string {
  if (stored === null) return "";
  return describeFailure(JSON.parse(stored));
}
