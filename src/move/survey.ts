import type { DatabaseEngine } from "../database/engine.ts";
import { treatments } from "./bookkeeping.ts";
import { tablesOf } from "./copy-database.ts";
import { quoted } from "./dialect.ts";
import { type Side, workersOf } from "./move.ts";

/** What a move would take along. */
export interface Survey {
  readonly events: number;
  /** Worker → table → rows. */
  readonly workers: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Only looks. */
export async function survey(from: Side, workers: readonly string[]): Promise<Survey> {
  await workersOf(from, workers);
  const counts: Record<string, Record<string, number>> = {};
  for (const worker of workers) {
    counts[worker] = await rowsOf(await from.database(worker));
  }
  return { events: (await from.queue.health()).storedEvents, workers: counts };
}

async function rowsOf(database: DatabaseEngine): Promise<Record<string, number>> {
  return await database.transaction(async (tx) => {
    const tables = await tablesOf(database).list(tx);
    const counts: Record<string, number> = {};
    for (const { name } of tables.filter((table) => treatments[table.name] !== "left")) {
      const [row] = await tx.run<{ rows: number }>(`select count(*) as rows from ${quoted(name)}`);
      counts[name] = row?.rows ?? 0;
    }
    return counts;
  });
}
