import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import type { Kysely } from "kysely";
import { assertRejects } from "../assert-rejects.ts";
import type { DatabaseScenario } from "./scenario.ts";
import { items, put, putBy, withItems } from "./support.ts";

/** What one attempt wrote can be undone without undoing what others wrote in its transaction. */
export const savepoints: readonly DatabaseScenario[] = [
  {
    name: "what a savepoint wrote commits with its transaction, and its result is passed on",
    async run(open) {
      const engine = await withItems(await open());
      await engine.transaction(async (tx) => {
        await put(tx, "a");
        const result = await tx.savepoint(async (db) => {
          await putBy(db, "b");
          return "result";
        });
        strictEqual(result, "result");
        await put(tx, "c");
      });
      deepStrictEqual(await items(engine), ["a", "b", "c"]);
    },
  },
  {
    name: "a savepoint that rejects is undone alone, and its error is passed on",
    async run(open) {
      const engine = await withItems(await open());
      const error = new Error("no");
      await engine.transaction(async (tx) => {
        await put(tx, "a");
        const attempt = tx.savepoint(async (db) => {
          await putBy(db, "b");
          throw error;
        });
        await rejects(attempt, (thrown) => thrown === error);
        await put(tx, "c");
      });
      deepStrictEqual(await items(engine), ["a", "c"]);
    },
  },
  {
    name: "a statement that fails in a savepoint costs only the savepoint",
    async run(open) {
      const engine = await withItems(await open());
      await engine.transaction(async (tx) => {
        await put(tx, "a");
        const attempt = tx.savepoint(async (db) => {
          await putBy(db, "b");
          await putBy(db, "a");
        });
        await rejects(attempt);
        await tx.savepoint((db) => putBy(db, "c"));
      });
      deepStrictEqual(await items(engine), ["a", "c"]);
    },
  },
  {
    name: "an error that the work caught leaves the rest of its savepoint",
    async run(open) {
      const engine = await withItems(await open());
      await engine.transaction(async (tx) => {
        await tx.savepoint(async () => {
          await put(tx, "a");
          const inner = tx.savepoint(async (db) => {
            await putBy(db, "b");
            throw new Error("no");
          });
          await inner.catch(() => {});
          await put(tx, "c");
        });
      });
      deepStrictEqual(await items(engine), ["a", "c"]);
    },
  },
  {
    name: "a savepoint that is undone takes those within it along",
    async run(open) {
      const engine = await withItems(await open());
      await engine.transaction(async (tx) => {
        const outer = tx.savepoint(async (db) => {
          await putBy(db, "a");
          await tx.savepoint((inner) => putBy(inner, "b"));
          throw new Error("no");
        });
        await rejects(outer);
        await put(tx, "c");
      });
      deepStrictEqual(await items(engine), ["c"]);
    },
  },
  {
    name: "a transaction that rejects undoes the savepoints that succeeded",
    async run(open) {
      const engine = await withItems(await open());
      const work = engine.transaction(async (tx) => {
        await tx.savepoint((db) => putBy(db, "a"));
        throw new Error("no");
      });
      await rejects(work);
      deepStrictEqual(await items(engine), []);
    },
  },
  {
    name: "a handle that outlives its savepoint writes nothing into what follows",
    async run(open) {
      const engine = await withItems(await open());
      await engine.transaction(async (tx) => {
        const kept = await tx.savepoint(async (db) => db);
        await assertRejects(putBy(kept, "a"), "MR_HANDLE_CLOSED");
        let failed: Kysely<unknown> | undefined;
        const attempt = tx.savepoint(async (db) => {
          failed = db;
          throw new Error("no");
        });
        await rejects(attempt);
        if (failed !== undefined) await assertRejects(putBy(failed, "a"), "MR_HANDLE_CLOSED");
        await tx.savepoint((db) => putBy(db, "b"));
      });
      deepStrictEqual(await items(engine), ["b"]);
    },
  },
];
