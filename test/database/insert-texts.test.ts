/** Proves that an insert whose text is remembered is the one that would have been compiled. */
import fc from "fast-check";
import {
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryCompiler,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from "kysely";
import { expect, test } from "vitest";
import { InsertTexts } from "../../src/database/insert-texts.ts";

type Row = Record<string, unknown>;
type Tables = Record<string, Row>;

const dialects = [
  ["SQLite", SqliteQueryCompiler, SqliteAdapter, SqliteIntrospector],
  ["PostgreSQL", PostgresQueryCompiler, PostgresAdapter, PostgresIntrospector],
] as const;

const name = fc.constantFrom("a", "b", "b.c", 'd"e', "a b");
const value = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.constantFrom(null, true, undefined),
  fc.constant(sql`lower(${"X"})`),
);
const row: fc.Arbitrary<Row> = fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true });
const ending = fc.constantFrom("none", "returning", "nothing", "with", "comment", "default");
const insert = fc.record({
  table: name,
  rows: fc.array(row, { minLength: 1, maxLength: 3 }),
  ending,
});

type Insert = typeof insert extends fc.Arbitrary<infer Made> ? Made : never;

function compile(db: Kysely<Tables>, { table, rows, ending }: Insert) {
  const plain = db.insertInto(table).values(rows);
  switch (ending) {
    case "returning":
      return plain.returning("a").compile();
    case "nothing":
      return plain.onConflict((conflict) => conflict.doNothing()).compile();
    case "with":
      return db
        .with("w", (inner) => inner.selectFrom("a").selectAll())
        .insertInto(table)
        .values(rows)
        .compile();
    case "default":
      return db.insertInto(table).defaultValues().compile();
    case "comment":
      return plain.modifyEnd(sql`/* ${table} */`).compile();
    default:
      return plain.compile();
  }
}

test.each(dialects)(
  "of %s, whatever was inserted before",
  (_name, Compiler, Adapter, Introspector) => {
    const open = (compiler: QueryCompiler) =>
      new Kysely<Tables>({
        dialect: {
          createAdapter: () => new Adapter(),
          createDriver: () => new DummyDriver(),
          createIntrospector: (db) => new Introspector(db),
          createQueryCompiler: () => compiler,
        },
      });
    fc.assert(
      fc.property(fc.array(insert, { maxLength: 12 }), (inserts) => {
        const compiled = open(new Compiler());
        const remembered = open(new InsertTexts(new Compiler()));
        for (const one of [...inserts, ...inserts]) {
          const { sql, parameters } = compile(compiled, one);
          const found = compile(remembered, one);
          expect({ sql: found.sql, parameters: [...found.parameters] }).toEqual({
            sql,
            parameters: [...parameters],
          });
        }
      }),
      { numRuns: 500 },
    );
  },
);

test("a plain insert is compiled once for each number of rows", () => {
  let compiled = 0;
  class Counting extends SqliteQueryCompiler {
    override compileQuery(...query: Parameters<SqliteQueryCompiler["compileQuery"]>) {
      compiled++;
      return super.compileQuery(...query);
    }
  }
  const compiler = new InsertTexts(new Counting());
  const db = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (of) => new SqliteIntrospector(of),
      createQueryCompiler: () => compiler,
    },
  });
  for (const a of [1, 2, 3]) db.insertInto("t").values({ a, b: "x" }).compile();
  expect(compiled).toBe(1);
  for (const a of [1, 2]) db.insertInto("t").values([{ a }, { a }]).compile();
  expect(compiled).toBe(2);
});
