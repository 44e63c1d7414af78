/**
 * Rows that are new are told from those that are there, in groups as one by one: within a batch,
 * from batch to batch, and wherever in a group the known one stands.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { DatabaseEngine } from "../../src/database/engine.ts";
import { openSqliteDatabase } from "../../src/engines/sqlite/database.ts";
import { rowsPerRun } from "../../src/engines/sqlite/row-insert.ts";

let folder: string;
let database: DatabaseEngine;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "millrace-insert-new-"));
  database = await openSqliteDatabase({ file: join(folder, "a.db") });
  await database.transaction((tx) =>
    tx.run("create table seen (id text, n bigint not null check (n >= 0), primary key (id))"),
  );
});
afterEach(async () => {
  await database.close();
  rmSync(folder, { recursive: true, force: true });
});

const seen = { table: "seen", columns: ["id", "n"] };
const idsOf = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => `id ${from + at}`);

it("tells which of the rows were new", async () => {
  const batches = fc.array(
    fc.oneof(
      // Mostly new ones, as events are, in whole groups and a rest.
      fc.tuple(fc.nat(300), fc.nat(3 * rowsPerRun)).map(([from, count]) => idsOf(from, count)),
      fc.array(
        fc.nat(40).map((number) => `id ${number}`),
        { maxLength: 3 * rowsPerRun },
      ),
    ),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(batches, async (all) => {
      const known = new Set<string>();
      await database.transaction((tx) => tx.run("delete from seen"));
      for (const ids of all) {
        const expected = ids.map((id) => !known.has(id) && known.add(id) !== undefined);
        const rows = ids.map((id) => [id, 1]);
        const told = await database.transaction(async (tx) => tx.insertNew?.({ ...seen, rows }));
        expect(told).toEqual(expected);
      }
      const rows = await database.read<{ id: string }>("select id from seen");
      expect(new Set(rows.map(({ id }) => id))).toEqual(known);
      expect(rows).toHaveLength(known.size);
    }),
  );
});

it("undoes all of it with its transaction, also after a group that was not new", async () => {
  const first = idsOf(0, 1).map((id) => [id, 1]);
  await database.transaction(async (tx) => tx.insertNew?.({ ...seen, rows: first }));
  const rows = idsOf(0, 2 * rowsPerRun).map((id) => [id, 1]);
  const failing = database.transaction(async (tx) => {
    expect(tx.insertNew?.({ ...seen, rows })?.filter(Boolean)).toHaveLength(rows.length - 1);
    throw new Error("changed my mind");
  });
  await expect(failing).rejects.toThrow("changed my mind");
  expect(await database.read("select id from seen")).toEqual([{ id: "id 0" }]);
});

it("does not take another constraint for a known key", async () => {
  const rows = idsOf(0, rowsPerRun).map((id) => [id, -1]);
  const failing = database.transaction(async (tx) => tx.insertNew?.({ ...seen, rows }));
  await expect(failing).rejects.toThrow(/CHECK constraint/);
  expect(await database.read("select id from seen")).toEqual([]);
});
