import type { StoreRecord, StoreState } from "../cache/store-record.ts";
import type { DatabaseEngine } from "../database/engine.ts";
import { assert } from "../lib/errors.ts";

const columns = "select generation, state, store from millrace_cache";

/** Which shared store is in use, as it stands in the worker's database. */
export function storeTable(database: DatabaseEngine): StoreRecord {
  // SQLite has one writer at a time; elsewhere the row is held against changes.
  const held = { sqlite: columns, postgres: `${columns} for share` }[database.dialect.name];
  const only = ([state]: readonly StoreState[]): StoreState => {
    assert(state !== undefined, "the bookkeeping has one row for the shared cache");
    return state;
  };
  return {
    read: async () => only(await database.read<StoreState>(columns)),
    readIn: async (tx) => only(await tx.run<StoreState>(held)),
    async move(from, { state, store }) {
      await database.transaction((tx) =>
        tx.run(
          `update millrace_cache set generation = generation + 1, state = $2, store = $3
           where generation = $1`,
          [from, state, store],
        ),
      );
    },
  };
}
