import type { TouchLog } from "../cache/touch-log.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import { limits } from "../lib/limits.ts";

/** The log of touched cache keys, as it stands in the worker's database. */
export function touchTable(database: DatabaseEngine): TouchLog {
  const bounds = async () => {
    const [row] = await database.read<{ first: number | null; last: number | null }>(
      "select min(seq) as first, max(seq) as last from millrace_touches",
    );
    return { first: row?.first ?? 0, last: row?.last ?? 0 };
  };
  return {
    ...(database.changeCount === undefined
      ? {}
      : { changeCount: () => database.changeCount?.() ?? 0 }),
    last: async () => (await bounds()).last,
    async since(seq) {
      const rows = await database.read<{ seq: number; key: string }>(
        "select seq, key from millrace_touches where seq > $1 order by seq limit $2",
        [seq, limits.touchesKeptMax],
      );
      // Asked after the rows: what was pruned in between shows itself as a gap, never as nothing.
      const { first } = await bounds();
      const last = rows.at(-1)?.seq ?? seq;
      const isCut = rows.length === limits.touchesKeptMax;
      return { keys: rows.map(({ key }) => key), last, gap: isCut || first > seq + 1 };
    },
  };
}
