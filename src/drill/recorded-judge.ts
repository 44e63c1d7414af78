import { check, type Effect, type Kept, type Published, type Verdict } from "./checker.ts";
import { type Judge, leastOf, type Readable } from "./judge.ts";

interface KeyRow {
  readonly key: string;
  readonly effects: number | string;
}

/** Judges applications that record their effects as the drill's own does (app.ts). */
export class RecordedJudge implements Judge {
  readonly #databases: ReadonlyMap<string, Readable>;

  constructor(databases: ReadonlyMap<string, Readable>) {
    this.#databases = databases;
  }

  async applied(): Promise<ReadonlyMap<string, number>> {
    const counts = [...this.#databases.values()].map(async (database) => {
      const rows = await database.read<KeyRow>("select key, effects from keys");
      return new Map(rows.map(({ key, effects }) => [key, Number(effects)]));
    });
    return leastOf(await Promise.all(counts));
  }

  async verdicts(published: readonly Published[]): Promise<ReadonlyMap<string, Verdict>> {
    const verdicts = [...this.#databases].map(async ([worker, database]) => {
      const verdict = check(published, await recordedEffects(database), await keptOf(database));
      const wrong = await wrongSums(database);
      // A sum that does not fit its effects is an effect that was applied more or less than once.
      return [worker, { ...verdict, doubled: [...verdict.doubled, ...wrong] }] as const;
    });
    return new Map(await Promise.all(verdicts));
  }
}

/** Key by key in the order of their commits, which each key has counted itself. */
export async function recordedEffects(database: Readable): Promise<Effect[]> {
  return await database.read<Effect>("select key, n from effects order by key, place");
}

/** What the worker has parked and given up on, of events that carry a key and a number. */
export async function keptOf(database: Readable): Promise<Kept> {
  const events = async (table: string): Promise<Effect[]> => {
    const rows = await database.read<{ event: string }>(`select event from ${table}`);
    return rows.map(({ event }) => JSON.parse(JSON.parse(event).data));
  };
  return {
    parked: await events("millrace_parked"),
    dead: await events("millrace_dead_letters"),
  };
}

/** Keys whose sums are not those of their effects: conserved, whatever failed. */
async function wrongSums(database: Readable): Promise<string[]> {
  const rows = await database.read<{ key: string }>(
    `select keys.key from keys left join
       (select key, count(*) as effects, sum(n) as total from effects group by key) as found
       on found.key = keys.key
     where found.key is null or found.effects <> keys.effects or found.total <> keys.total`,
  );
  return rows.map(({ key }) => `the sums of ${key}`);
}
