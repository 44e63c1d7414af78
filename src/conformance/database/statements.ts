import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { sql } from "kysely";
import { systemClock } from "../../lib/clock.ts";
import { assertRejects } from "../assert-rejects.ts";
import type { DatabaseScenario } from "./scenario.ts";
import { items, put, putBy, withItems } from "./support.ts";

const minuteMs = 60_000;

/** What statements take and give, and who may write. */
export const statements: readonly DatabaseScenario[] = [
  {
    name: "the reader sees every commit that came before",
    async run(open) {
      const engine = await withItems(await open());
      for (let n = 1; n <= 20; n++) {
        await engine.transaction((tx) => put(tx, `item ${n}`));
        strictEqual((await items(engine)).length, n);
        const { rows } = await sql`select id from items`.execute(engine.reader);
        strictEqual(rows.length, n);
      }
    },
  },
  {
    name: "the reader cannot write",
    async run(open) {
      const engine = await withItems(await open());
      await rejects(putBy(engine.reader, "a"));
      await rejects(engine.read("insert into items (id, n) values ('a', 1) returning id"));
      await rejects(sql`drop table items`.execute(engine.reader));
      deepStrictEqual(await items(engine), []);
      await engine.transaction((tx) => put(tx, "b"));
      deepStrictEqual(await items(engine), ["b"]);
    },
  },
  {
    name: "a read that finds nothing gives no rows",
    async run(open) {
      const engine = await withItems(await open());
      deepStrictEqual(await engine.read("select id from items"), []);
    },
  },
  {
    name: "parameters are taken by their number, in any order and more than once",
    async run(open) {
      const engine = await withItems(await open());
      await engine.transaction(async (tx) => {
        await put(tx, "a", 1);
        await put(tx, "b", 2);
      });
      const query = "select id from items where n = $2 or (id = $1 and n <> $2) order by id";
      deepStrictEqual(await engine.read(query, ["a", 2]), [{ id: "a" }, { id: "b" }]);
    },
  },
  {
    name: "text, numbers, bytes and null come back as they were",
    async run(open) {
      const engine = await open();
      const bytes = Uint8Array.of(0, 1, 127, 128, 255);
      const rows = await engine.transaction(async (tx) => {
        await tx.run(
          "create table kinds (t text, i bigint, r double precision, b blob, z text)".replace(
            "blob",
            engine.dialect.name === "postgres" ? "bytea" : "blob",
          ),
        );
        const values = ["è🚀 ' \" \n", 2 ** 53 - 1, -0.125, bytes, null];
        await tx.run("insert into kinds values ($1, $2, $3, $4, $5)", values);
        return tx.run<{ t: string; i: number; r: number; b: Uint8Array; z: null }>(
          "select * from kinds",
        );
      });
      const [row] = rows;
      strictEqual(row?.t, "è🚀 ' \" \n");
      strictEqual(Number(row?.i), 2 ** 53 - 1);
      strictEqual(row?.r, -0.125);
      deepStrictEqual([...(row?.b ?? [])], [...bytes]);
      strictEqual(row?.z, null);
    },
  },
  {
    name: "a time is stored as text in UTC that sorts by time",
    async run(open) {
      const engine = await withItems(await open());
      const at = new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
      await engine.transaction(async ({ db }) => {
        await sql`insert into items (id, n) values (${at}, 1)`.execute(db);
      });
      deepStrictEqual(await items(engine), ["2026-01-02T03:04:05.006Z"]);
    },
  },
  {
    name: "a value that databases read differently is refused before it is stored",
    async run(open) {
      const engine = await withItems(await open());
      const refused = [Number.NaN, Infinity, undefined, { a: 1 }, ["a"], "a\0b", "\ud800"];
      for (const value of refused) {
        const work = engine.transaction(({ db }) =>
          sql`insert into items (id, n) values (${value}, 1)`.execute(db),
        );
        await assertRejects(work, "MR_DATABASE_PARAMETER");
      }
      deepStrictEqual(await items(engine), []);
    },
  },
  {
    name: "one parameter carries a whole batch of rows",
    async run(open) {
      const engine = await withItems(await open());
      const batch = Array.from({ length: 5_000 }, (_, n) => [`item "${n}"`, n]);
      await engine.transaction(async (tx) => {
        await tx.run(
          `insert into items (id, n) select value ->> 0, cast(value ->> 1 as integer)
            from ${engine.dialect.each("$1")} as batch`,
          [JSON.stringify(batch)],
        );
      });
      const rows = await engine.read<{ id: string; n: number }>("select * from items order by n");
      deepStrictEqual(
        rows.map(({ id, n }) => [id, Number(n)]),
        batch,
      );
    },
  },
  {
    name: "the database tells the time in milliseconds",
    async run(open) {
      const engine = await open();
      const tellTime = `select ${engine.dialect.nowMs} as ms`;
      const [written] = await engine.transaction((tx) => tx.run<{ ms: number }>(tellTime));
      ok(Math.abs(Number(written?.ms) - systemClock.now()) < minuteMs);
      ok(Number.isInteger(Number(written?.ms)));
    },
  },
  {
    name: "the change count is another one after another instance's commit",
    needs: "sharing",
    async run(open) {
      const [one, other] = [await withItems(await open()), await open()];
      const before = one.changeCount?.();
      // An engine that cannot tell says so by having none: its callers ask the tables.
      if (before === undefined) return;
      strictEqual(one.changeCount?.(), before);
      for (let n = 0, last = before; n < 5; n++) {
        await other.transaction((tx) => put(tx, `item ${n}`));
        const now = one.changeCount?.() ?? last;
        ok(now !== last, "a commit was not told");
        last = now;
      }
    },
  },
];
