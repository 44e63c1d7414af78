/**
 * A worker's database goes from SQLite to a real PostgreSQL server and back, through the ports:
 * every kind of value, keys of all sorts, rows that point at each other, triggers and counters
 * arrive as they were, and a value that one of the two cannot keep is refused by its place.
 */
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DatabaseEngine, SqlValue } from "../../src/database/engine.ts";
import { openMemoryDatabase } from "../../src/engines/memory/database.ts";
import { openMemoryQueue } from "../../src/engines/memory/queue.ts";
import { openPostgresDatabase } from "../../src/engines/postgres/database.ts";
import { type CopiedTable, copyDatabase } from "../../src/move/copy-database.ts";
import type { Migration } from "../../src/system/database.ts";
import { prepareBookkeeping } from "../../src/worker/tables.ts";
import { describePostgres, PostgresServer } from "../support/postgres-server.ts";

// biome-ignore lint/suspicious/noExplicitAny: as migrations are.
type Db = Kysely<any>;
const isPostgres = (db: Db) =>
  db.getExecutor().adapter.supportsReturning &&
  /postgres/i.test(db.getExecutor().adapter.constructor.name);

const wide: Migration = async (db: Db) => {
  await db.schema
    .createTable("things")
    .addColumn("seq", "integer", (column) => column.primaryKey().autoIncrement())
    .addColumn("text", "text")
    .addColumn("whole", "bigint")
    .addColumn("real", "double precision")
    .addColumn("exact", "numeric")
    .addColumn("truth", "boolean")
    .addColumn("bytes", "blob")
    .addColumn("json", "jsonb")
    .addColumn("at", "timestamptz")
    .addColumn('Odd "name"', "varchar(5)")
    .execute();
  await db.insertInto("things").values({ text: "a migration's own row" }).execute();
  // Rows that point at each other, and at themselves.
  await db.schema
    .createTable("nodes")
    .addColumn("name", "text", (column) => column.primaryKey())
    .addColumn("above", "text", (column) => column.references("nodes.name"))
    .execute();
  await db.schema
    .createTable("pairs")
    .addColumn("left", "text", (column) => column.references("nodes.name"))
    .addColumn("right", "integer")
    .addPrimaryKeyConstraint("pairs_key", ["left", "right"])
    .execute();
  await db.schema.createTable("loose").addColumn("value", "text").execute();
};

const queues = async () => {
  const [fromQueue, toQueue] = [openMemoryQueue(), openMemoryQueue()];
  return { fromQueue, toQueue };
};

async function prepared(
  database: DatabaseEngine,
  migrations: Readonly<Record<string, Migration>>,
): Promise<DatabaseEngine> {
  await prepareBookkeeping(database);
  await database.migrate("worker", migrations);
  return database;
}

const copy = async (
  from: DatabaseEngine,
  to: DatabaseEngine,
  migrations: Readonly<Record<string, Migration>>,
): Promise<CopiedTable[]> =>
  await copyDatabase({
    ...{ worker: "worker", migrations, from, to, applied: new Map(), ...(await queues()) },
    signal: new AbortController().signal,
    onRows: () => {},
  });

async function insert(
  database: DatabaseEngine,
  table: string,
  row: Readonly<Record<string, SqlValue>>,
): Promise<void> {
  const names = Object.keys(row).map((name) => `"${name.replaceAll('"', '""')}"`);
  const parameters = names.map((_, at) => `$${at + 1}`);
  await database.transaction((tx) =>
    tx.run(
      `insert into ${table} (${names.join(", ")}) values (${parameters.join(", ")})`,
      Object.values(row),
    ),
  );
}

describePostgres("moving a worker's database", () => {
  let server: PostgresServer;
  const opened: DatabaseEngine[] = [];
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(async () => {
    for (const database of opened) await database.close();
    await server[Symbol.asyncDispose]();
  });

  const keep = (database: DatabaseEngine): DatabaseEngine => {
    opened.push(database);
    return database;
  };
  const sqlite = async () => keep(await openMemoryDatabase());
  const postgres = async () =>
    keep(await openPostgresDatabase({ url: server.url, schema: `worker_${opened.length}` }));

  it("takes every kind of value there and back", async () => {
    const migrations = { "001-wide": wide };
    const first = await prepared(await sqlite(), migrations);
    const things: Record<string, SqlValue>[] = [
      {
        seq: 7,
        text: "",
        whole: -(2n ** 63n),
        real: 0.1,
        exact: 1.5,
        truth: 1,
        json: '{"b":1,"a":[]}',
      },
      { text: "ünï 💧\n", whole: 2 ** 53 - 1, real: -1e300, exact: 12345678901234567n, truth: 0 },
      { bytes: new Uint8Array([0, 255, 7]), json: '"text"', at: "2026-01-01T00:00:00.123Z" },
      {
        bytes: new Uint8Array(0),
        json: "null",
        at: "2026-01-01T00:00:00+02:00",
        'Odd "name"': "12345",
      },
    ];
    for (const row of things) await insert(first, "things", row);
    await first.transaction(async (tx) => {
      await tx.run("insert into nodes values ('child', null), ('top', null)");
      await tx.run("update nodes set above = 'top' where name = 'child'");
      await tx.run("insert into pairs values ('top', 2), ('top', 1), ('child', 1)");
      await tx.run("insert into loose values ('same'), ('same'), (null)");
      // Its number is never given out again.
      await tx.run("insert into things (seq) values (500)");
      await tx.run("delete from things where seq = 500");
    });
    const second = await postgres();
    const there = await copy(first, second, migrations);
    expect(there.map(({ table, rows }) => [table, rows])).toEqual(
      expect.arrayContaining([
        ["things", 5],
        ["nodes", 2],
        ["pairs", 3],
        ["loose", 3],
      ]),
    );
    const third = await sqlite();
    const back = await copy(second, third, migrations);
    expect(back.filter(({ rows }) => rows > 0).map(({ table, rows }) => [table, rows])).toEqual(
      there.filter(({ rows }) => rows > 0).map(({ table, rows }) => [table, rows]),
    );
    const read = (database: DatabaseEngine, columns = "*") =>
      database.read(`select ${columns} from things order by seq`);
    const plain = 'seq, text, whole, "real", exact, truth, bytes, "Odd ""name"""';
    expect(await read(third, plain)).toEqual(await read(first, plain));
    expect(await read(second, plain)).toEqual(await read(first, plain));
    for (const database of [first, second, third]) {
      await insert(database, "things", { text: "next" });
      const [row] = await database.read("select seq from things where text = 'next'");
      expect(row).toEqual({ seq: 501 });
      await expect(insert(database, "nodes", { name: "x", above: "nobody" })).rejects.toThrow();
      expect(await database.read("select name, above from nodes order by name")).toEqual([
        { name: "child", above: "top" },
        { name: "top", above: null },
      ]);
    }
    // The same moments and documents, each as its database writes them.
    const texts = await read(second, "json ->> 'b' as b, at");
    expect(texts.map(({ at }) => at).filter((at) => at !== null)).toEqual([
      "2026-01-01T00:00:00.123Z",
      "2025-12-31T22:00:00Z",
    ]);
  });

  it("lets triggers act on nothing that is moved, and on all that comes later", async () => {
    const migrations: Record<string, Migration> = {
      "001-counted": async (db: Db) => {
        await db.schema.createTable("items").addColumn("name", "text").execute();
        await db.schema.createTable("log").addColumn("name", "text").execute();
        if (isPostgres(db)) {
          await sql`create function log_item() returns trigger language plpgsql as
            $$ begin insert into log values (new.name); return new; end $$`.execute(db);
          await sql`create trigger logged after insert on items
            for each row execute function log_item()`.execute(db);
        } else {
          await sql`create trigger logged after insert on items
            begin insert into log values (new.name); end`.execute(db);
        }
      },
    };
    let from = await prepared(await sqlite(), migrations);
    await insert(from, "items", { name: "one" });
    for (const to of [await postgres(), await sqlite()]) {
      await copy(from, to, migrations);
      expect(await to.read("select name from log")).toEqual(
        await from.read("select name from log"),
      );
      await insert(to, "items", { name: "more" });
      from = to;
    }
    expect(await from.read("select count(*) as count from log")).toEqual([{ count: 3 }]);
  });

  it.each<[string, string, Record<string, SqlValue>, string]>([
    ["text in a number's column", "bigint", { value: "seven" }, "things.value"],
    ["a fraction in a whole number's column", "bigint", { value: 1.5 }, "things.value"],
    ["a number that is neither true nor false", "boolean", { value: 2 }, "things.value"],
    ["text that is too long", "varchar(3)", { value: "four" }, "things"],
    ["what is no JSON", "jsonb", { value: "{" }, "things.value"],
    ["what is no time", "timestamptz", { value: "soon" }, "things.value"],
    ["bytes where text is kept", "text", { value: new Uint8Array([1]) }, "things.value"],
  ])("refuses %s, by table, column and row", async (_, type, row, where) => {
    const migrations: Record<string, Migration> = {
      "001-things": async (db: Db) => {
        await db.schema
          .createTable("things")
          .addColumn("id", "text", (column) => column.primaryKey())
          .addColumn("value", sql.raw(type))
          .execute();
      },
    };
    const from = await prepared(await sqlite(), migrations);
    for (let n = 0; n < 30; n++) await insert(from, "things", { id: `row ${n}` });
    await insert(from, "things", { id: "the row", ...row });
    const to = await postgres();
    const refused = copy(from, to, migrations);
    await expect(refused).rejects.toMatchObject({ code: "MR_MOVE_VALUE" });
    await expect(refused).rejects.toThrow(`${where}, where id = "the row": `);
    expect(await to.read("select count(*) as count from things")).toEqual([{ count: 0 }]);
  });

  it("refuses a decimal that SQLite would round, and keeps one that it does not", async () => {
    const migrations: Record<string, Migration> = {
      "001-sums": async (db: Db) => {
        await db.schema.createTable("sums").addColumn("value", "numeric").execute();
      },
    };
    const from = await prepared(await postgres(), migrations);
    await insert(from, "sums", { value: "-0.250" });
    const to = await sqlite();
    await copy(from, to, migrations);
    expect(await to.read("select value from sums")).toEqual([{ value: -0.25 }]);
    await insert(from, "sums", { value: "0.1234567890123456789" });
    await expect(copy(from, await sqlite(), migrations)).rejects.toThrow(
      /^sums\.value, where value = "0\.1234567890123456789": .* would become /,
    );
  });

  it("refuses a database whose migrations are not those of the application", async () => {
    const migrations = { "001-wide": wide };
    const more = { ...migrations, "002-more": async () => {} };
    const from = await prepared(await sqlite(), migrations);
    await expect(copy(from, await sqlite(), more)).rejects.toThrow(
      "differ by the migration worker 002-more",
    );
    await from.transaction((tx) => tx.run("create table own (id text)"));
    await expect(copy(from, await sqlite(), migrations)).rejects.toMatchObject({
      code: "MR_MOVE_SOURCE",
    });
  });
});
