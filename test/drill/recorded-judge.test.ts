/** The judge of the drill's own application bites: it reads tables that were written wrongly. */
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { type Published, violations } from "../../src/drill/checker.ts";
import { RecordedJudge } from "../../src/drill/recorded-judge.ts";

const published: Published[] = [1, 2, 3].map((n) => ({ key: "a", n, id: `id-${n}` }));

/** A worker's tables with these effects of one key, and the sums that it has counted. */
async function verdictOf(effects: readonly number[], sums = effects): Promise<string[]> {
  using database = new DatabaseSync(":memory:");
  database.exec(`
    create table effects (key text, n integer, place integer);
    create table keys (key text, effects integer, total integer, last integer);
    create table millrace_parked (event text);
    create table millrace_dead_letters (event text)`);
  for (const [index, n] of effects.entries()) {
    database.prepare("insert into effects values ('a', ?, ?)").run(n, index + 1);
  }
  const total = sums.reduce((sum, n) => sum + n, 0);
  database
    .prepare("insert into keys values ('a', ?, ?, ?)")
    .run(sums.length, total, sums.at(-1) ?? 0);
  const read = async <Row>(sql: string) => database.prepare(sql).all() as Row[];
  const judge = new RecordedJudge(new Map([["first", { read }]]));
  expect(await judge.applied()).toEqual(new Map([["a", sums.length]]));
  const verdict = (await judge.verdicts(published)).get("first");
  return verdict === undefined ? ["no verdict"] : violations(verdict);
}

it.each([
  ["nothing where all is well", [1, 2, 3], []],
  ["what was lost", [1, 3], ["1 lost: a-2"]],
  ["what came twice", [1, 2, 2, 3], ["1 doubled: a-2"]],
  ["what came too early", [1, 3, 2], ["1 out of order: a-2"]],
  ["what nobody sent", [1, 2, 3, 4], ["1 invented: a-4"]],
])("finds %s", async (_what, effects, expected) => {
  expect(await verdictOf(effects)).toEqual(expected);
});

it("finds sums that do not fit their effects", async () => {
  expect(await verdictOf([1, 2, 3], [1, 2])).toEqual(["1 doubled: the sums of a"]);
});
