import type { TouchLog } from "../cache/touch-log.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import { limits } from "../lib/limits.ts";

/** The log of touched cache keys, as it stands in the worker's database. */
export const touchTable = (database: DatabaseEngine): TouchLog =>
  database.dialect.name === "postgres" ? manyWriters(database) : oneWriter(database);

/** Where one transaction follows another, the numbers of their touches grow as they commit. */
function oneWriter(database: DatabaseEngine): TouchLog {
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

/**
 * Where several transactions run at once, a later number may be seen before an earlier one. The log
 * is read by its writers instead: up to `last`, all of them have ended, and what those behind it
 * wrote is read once more the next time. A key told twice is dropped from a cache twice.
 *
 * Whoever is so far behind that half of what is kept is new to them takes it for a gap: what was
 * pruned is then certainly older.
 */
function manyWriters(database: DatabaseEngine): TouchLog {
  const ended = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
  const rowsMax = limits.touchesKeptMax / 2;
  return {
    async last() {
      const [row] = await database.read<{ last: number }>(`select ${ended} as last`);
      return row?.last ?? 0;
    },
    async since(xid) {
      // One statement, so that both are of one moment.
      const [row] = await database.read<{ last: number; keys: string }>(
        `select ${ended} as last, (select coalesce(json_agg(key), '[]') from
           (select key from millrace_touches where xid >= $1 limit $2) as touched) as keys`,
        [xid, rowsMax],
      );
      const keys: string[] = JSON.parse(row?.keys ?? "[]");
      return { keys: [...new Set(keys)], last: row?.last ?? xid, gap: keys.length === rowsMax };
    },
  };
}
