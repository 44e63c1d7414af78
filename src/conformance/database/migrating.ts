import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { sql } from "kysely";
import type { DatabaseEngine } from "../../database/engine.ts";
import type { Migration } from "../../system/database.ts";
import { assertRejects } from "../assert-rejects.ts";
import type { DatabaseScenario } from "./scenario.ts";
import { items } from "./support.ts";

const create: Migration = async (db) => {
  await sql`create table items (id text primary key, n integer not null)`.execute(db);
};

/** Writes an item, which a second run would collide with. */
const insert =
  (id: string): Migration =>
  async (db) => {
    await sql`insert into items (id, n) values (${id}, 1)`.execute(db);
  };

const fail: Migration = async (db) => {
  await sql`insert into items (id, n) values ('half done', 1)`.execute(db);
  await sql`insert into nowhere values (1)`.execute(db);
};

const hasItems = (engine: DatabaseEngine): Promise<boolean> =>
  items(engine).then(
    () => true,
    () => false,
  );

/** A schema comes about once, in order, and wholly. */
export const migrating: readonly DatabaseScenario[] = [
  {
    name: "migrations run in the order of their names, whatever order they are listed in",
    async run(open) {
      const engine = await open();
      const order: string[] = [];
      const noted =
        (name: string, migration: Migration): Migration =>
        (db) => {
          order.push(name);
          return migration(db);
        };
      await engine.migrate("app", {
        "010-last": noted("010-last", insert("b")),
        "002-next": noted("002-next", insert("a")),
        "001-first": noted("001-first", create),
      });
      deepStrictEqual(order, ["001-first", "002-next", "010-last"]);
      deepStrictEqual(await items(engine), ["a", "b"]);
    },
  },
  {
    name: "a migration runs once; later calls apply what has been added",
    async run(open) {
      const engine = await open();
      const first = { "001-first": create, "002-next": insert("a") };
      await engine.migrate("app", first);
      await engine.migrate("app", first);
      await engine.migrate("app", { ...first, "003-more": insert("b") });
      deepStrictEqual(await items(engine), ["a", "b"]);
    },
  },
  {
    name: "sets of migrations are told apart",
    async run(open) {
      const engine = await open();
      await engine.migrate("one", { "001-first": create });
      await engine.migrate("other", { "001-first": insert("a") });
      await engine.migrate("one", { "001-first": create });
      deepStrictEqual(await items(engine), ["a"]);
    },
  },
  {
    name: "a migration that fails is named, and nothing of the whole call remains",
    async run(open) {
      const engine = await open();
      const work = engine.migrate("app", { "001-first": create, "002-faulty": fail });
      await rejects(work, (error: Error & { code?: string }) => {
        strictEqual(error.code, "MR_MIGRATION_FAILED");
        ok(error.message.includes("002-faulty"), error.message);
        return true;
      });
      strictEqual(await hasItems(engine), false);
      await engine.migrate("app", { "001-first": create, "002-faulty": insert("a") });
      deepStrictEqual(await items(engine), ["a"]);
    },
  },
  {
    name: "a database of newer code is refused and left as it is",
    async run(open) {
      const engine = await open();
      await engine.migrate("app", { "001-first": create, "002-newer": insert("a") });
      const work = engine.migrate("app", { "001-first": create, "003-other": insert("b") });
      await assertRejects(work, "MR_DATA_NEWER");
      deepStrictEqual(await items(engine), ["a"]);
    },
  },
  {
    name: "a migration that would come before an applied one is refused",
    async run(open) {
      const engine = await open();
      await engine.migrate("app", { "002-first": create });
      const work = engine.migrate("app", { "001-late": insert("a"), "002-first": create });
      await assertRejects(work, "MR_MIGRATION_FAILED");
      deepStrictEqual(await items(engine), []);
    },
  },
  {
    name: "what was applied is not applied again after the engine is opened again",
    needs: "restart",
    async run(open) {
      const migrations = { "001-first": create, "002-next": insert("a") };
      const first = await open();
      await first.migrate("app", migrations);
      await first.close();
      const second = await open();
      await second.migrate("app", migrations);
      deepStrictEqual(await items(second), ["a"]);
    },
  },
  {
    name: "instances that start together apply a migration once",
    needs: "sharing",
    async run(open) {
      const engines = await Promise.all([open(), open(), open(), open()]);
      let runs = 0;
      const counted: Migration = (db) => {
        runs += 1;
        return create(db);
      };
      await Promise.all(engines.map((engine) => engine.migrate("app", { "001-first": counted })));
      strictEqual(runs, 1);
    },
  },
];
