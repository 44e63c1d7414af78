import { limits } from "../../lib/limits.ts";
import { DeadLetters } from "../../worker/dead-letters.ts";
import type { Place } from "../../worker/link.ts";
import {
  countLetters,
  groupJson,
  letterJson,
  type OpenedWorker,
  pagesOf,
} from "../../worker/redrive.ts";
import { type Answer, type Call, json, type Route } from "../call.ts";
import { Fields } from "../fields.ts";
import { type Choice, choiceOf, filterNames } from "./filter.ts";
import type { RouteTools } from "./tools.ts";

/** Lists of dead letters: pages, groups, and all of them as lines. */
export const listRoutes = (tools: RouteTools): readonly Route[] => [
  { method: "GET", path: "/dead-letters", run: (call) => list(call, tools) },
  { method: "GET", path: "/dead-letters/groups", run: (call) => group(call, tools) },
];

/** Where a list goes on: behind a place of one worker's; the workers have their order. */
interface Cursor extends Place {
  readonly worker: string;
}

const usualLimit = 20;

async function list(call: Call, { workers, clock }: RouteTools): Promise<Answer> {
  const fields = Fields.ofQuery(call.query);
  const choice = choiceOf(fields, clock.now());
  const after = cursorOf(fields);
  const limit = call.takesLines
    ? Number.POSITIVE_INFINITY
    : (fields.whole("limit", 1, limits.deadLettersListedMax) ?? usualLimit);
  fields.finish([...filterNames, "after", ...(call.takesLines ? [] : ["limit"])]);
  const chosen = await workers.chosen(choice.worker);
  if (after !== undefined && !chosen.some(({ name }) => name === after.worker)) {
    fields.refuse("after", "after leads to a worker that is not among these.");
    fields.finish([...call.query.keys()]);
  }
  const count = await countLetters(chosen, choice.filter);
  const letters = lettersOf(chosen, choice, after);
  if (call.takesLines) return { kind: "lines", values: letters };
  const deadLetters: Listed[] = [];
  for await (const letter of letters) {
    // One more than asked for tells whether there are more.
    if (deadLetters.length === limit) {
      return json({ count, deadLetters, next: nextOf(deadLetters.at(-1)) });
    }
    deadLetters.push(letter);
  }
  return json({ count, deadLetters, next: null });
}

type Listed = ReturnType<typeof letterJson>;

async function* lettersOf(
  workers: readonly OpenedWorker[],
  { filter }: Choice,
  after: Cursor | undefined,
): AsyncGenerator<Listed> {
  const from = workers.findIndex(({ name }) => name === after?.worker);
  for (const { name, database } of workers.slice(Math.max(0, from))) {
    const begin = name === after?.worker ? after : undefined;
    for await (const page of pagesOf(new DeadLetters(database), filter, usualLimit, begin)) {
      for (const letter of page) yield letterJson(name, letter);
    }
  }
}

/** `timelines:7:12`: worker, partition, position of the last one that was told. */
function cursorOf(fields: Fields): Cursor | undefined {
  const form = "the `next` of an earlier answer";
  const text = fields.text("after", /^[a-z][a-z0-9-]*:\d{1,15}:\d{1,15}$/, form);
  if (text === undefined) return undefined;
  const [worker = "", partition, position] = text.split(":");
  return { worker, partition: Number(partition), position: Number(position) };
}

const nextOf = (last: Listed | undefined): string | null =>
  last === undefined ? null : `${last.worker}:${last.partition}:${last.position}`;

async function group(call: Call, { workers, clock }: RouteTools): Promise<Answer> {
  const fields = Fields.ofQuery(call.query);
  const { worker, filter } = choiceOf(fields, clock.now());
  const limit = fields.whole("limit", 1, limits.deadLettersListedMax) ?? usualLimit;
  fields.finish([...filterNames, "limit"]);
  const chosen = await workers.chosen(worker);
  const count = await countLetters(chosen, filter);
  const groups = [];
  for (const { name, database } of chosen) {
    const found = await new DeadLetters(database).groups(filter, limit);
    groups.push(...found.map((one) => groupJson(name, one)));
  }
  groups.sort((one, other) => other.count - one.count);
  return json({ count, groups: groups.slice(0, limit) });
}
