import { exampleFor } from "../runtime/example-data.ts";
import type { QueryDefinition } from "../system/query.ts";
import { validate } from "../system/schema.ts";
import type { SystemDefinition } from "../system/system.ts";
import type { Input } from "./input.ts";

/** A query with an input, to be asked in every trial. */
export interface Question {
  readonly worker: string;
  readonly query: string;
  /** As it stands in the address. */
  readonly search: string;
  /** As the query gets it. */
  readonly input: unknown;
  readonly run: QueryDefinition["run"];
}

export interface Questions {
  readonly questions: readonly Question[];
  /** A sentence about each query that is not asked. */
  readonly missing: readonly string[];
}

/** What a query is asked about: so many of the texts that the events contain, keys first. */
const subjectsMax = 12;
const subjectLengthMax = 100;

/** Every query of the application, about what its events are about. */
export async function questionsAbout(
  inputs: readonly Input[],
  { workers }: SystemDefinition,
): Promise<Questions> {
  const subjects = subjectsOf(inputs);
  const questions: Question[] = [];
  const missing: string[] = [];
  for (const { name: worker, queries } of workers) {
    for (const [query, definition] of Object.entries<QueryDefinition>(queries)) {
      const asked = await questionsOf(definition, subjects);
      if (asked.length === 0) missing.push(`No input could be made for ${worker}.${query}.`);
      questions.push(...asked.map((one) => ({ worker, query, run: definition.run, ...one })));
    }
  }
  return { questions, missing };
}

type Asked = Pick<Question, "search" | "input">;

async function questionsOf(
  { input: schema }: QueryDefinition,
  subjects: readonly string[],
): Promise<Asked[]> {
  const example = exampleFor(schema) ?? {};
  if (typeof example !== "object" || example === null || Array.isArray(example)) return [];
  const members = Object.entries(example).flatMap(([name, value]): [string, string][] =>
    ["string", "number", "boolean"].includes(typeof value) ? [[name, String(value)]] : [],
  );
  const plain = Object.fromEntries(members);
  const others = Object.entries(example)
    .filter(([, value]) => typeof value === "string")
    .flatMap(([name]) => subjects.map((subject) => ({ ...plain, [name]: subject })));
  const bySearch = new Map<string, Asked>();
  for (const given of [...others, plain]) {
    const result = await validate(schema, given);
    if (result.faults !== undefined) continue;
    const search = new URLSearchParams(given).toString();
    bySearch.set(search, { search, input: result.value });
  }
  return [...bySearch.values()];
}

function subjectsOf(inputs: readonly Input[]): string[] {
  const texts = [...inputs.map(({ key }) => key), ...inputs.flatMap(({ data }) => textsIn(data))];
  const short = texts.filter((text) => text.length > 0 && text.length <= subjectLengthMax);
  return [...new Set(short)].slice(0, subjectsMax);
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
