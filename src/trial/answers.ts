import type { DatabaseEngine } from "../database/engine.ts";
import type { Publisher } from "./publisher.ts";
import type { Question } from "./question.ts";
import { answerTable, type Rename, sortedJson, type Table } from "./table.ts";

/** The answer to a question, and what the database says to it without the cache. */
export interface AnswerPair {
  /** `timelines.home?user=ada` */
  readonly name: string;
  readonly table: Table;
  /** Undefined where they are the same, or where not even two direct answers are. */
  readonly stale?: string;
}

const nobody = new AbortController().signal;

/** Asks a system at rest: twice, since a second answer comes from the cache where there is one. */
export async function answersOf(
  questions: readonly Question[],
  workers: readonly { readonly name: string; readonly database: DatabaseEngine }[],
  publisher: Publisher,
  rename: Rename,
): Promise<AnswerPair[]> {
  const pairs: AnswerPair[] = [];
  for (const question of questions) {
    const { worker, query, search } = question;
    const database = workers.find(({ name }) => name === worker)?.database;
    if (database === undefined) continue;
    const before = await directAnswer(question, database);
    const asked = [
      await publisher.query(worker, query, search),
      await publisher.query(worker, query, search),
    ];
    const isRepeatable = before === (await directAnswer(question, database));
    const other = asked.find((answer) => answer !== before);
    const name = `${worker}.${query}${search === "" ? "" : `?${search}`}`;
    pairs.push({
      name,
      // Without the cache: what that does is a question of its own.
      table: answerTable(name, JSON.parse(before), rename),
      ...(isRepeatable && other !== undefined ? { stale: `${other} instead of ${before}` } : {}),
    });
  }
  return pairs;
}

/** As sorted JSON; null where it fails, as for one that is asked over HTTP. */
async function directAnswer({ run, input }: Question, { reader }: DatabaseEngine): Promise<string> {
  try {
    return sortedJson(JSON.parse(JSON.stringify(await run({ input, db: reader, signal: nobody }))));
  } catch {
    return "null";
  }
}
