import { readFile } from "node:fs/promises";
import { exampleEvents } from "../drill/example-events.ts";
import { asError, isMillraceError, MillraceError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import type { AnyEvent } from "../system/event.ts";
import { validate } from "../system/schema.ts";
import type { SystemDefinition } from "../system/system.ts";

/** An event that a trial publishes: the same, its id and time included, in every trial. */
export interface Input {
  readonly id: string;
  readonly type: string;
  readonly key: string;
  /** RFC 3339. */
  readonly time: string;
  readonly data: unknown;
}

export interface Inputs {
  readonly events: readonly Input[];
  /** A sentence about each type of event that is not among them. */
  readonly missing: readonly string[];
}

export interface GeneratedOptions {
  readonly keys: number;
  /** Of each type, under each key. */
  readonly each: number;
  /** The time of the first one, milliseconds since 1970; the next is a second later. */
  readonly fromMs: number;
}

/**
 * Events of every type that the application accepts and a worker handles: the definition's example,
 * or one made from its schema, under several keys, and each time a little different.
 *
 * @throws MR_USAGE where none can be made
 */
export async function generatedInputs(
  system: SystemDefinition,
  { keys, each, fromMs }: GeneratedOptions,
): Promise<Inputs> {
  const missing: string[] = [];
  const events: Omit<Input, "id" | "time">[] = [];
  const sets: { readonly event: AnyEvent; readonly keys: readonly string[]; data: Made }[] = [];
  for (const event of system.accepts) {
    try {
      const made = await exampleEvents(system, event.type, keys);
      sets.push({ event, keys: made.keys, data: (key) => made.data(key) });
    } catch (thrown) {
      if (!isMillraceError(thrown, "MR_USAGE")) throw thrown;
      missing.push(asError(thrown).message);
    }
  }
  // Types take turns, so that events of different types follow each other under the same key.
  for (let turn = 0; turn < each; turn++) {
    for (let at = 0; at < keys; at++) {
      for (const { event, keys: names, data } of sets) {
        const name = names[at];
        if (name === undefined) continue;
        const varied = await variant(event, data(name), turn);
        events.push({ type: event.type, key: (await keyOf(event, varied)) ?? name, data: varied });
      }
    }
  }
  if (events.length === 0) {
    throw new MillraceError("MR_USAGE", `There is nothing to publish to ${system.name}.`, {
      remedy: `${missing.join(" ")} Or give a file of events with --events.`,
    });
  }
  return { events: events.map((event, at) => ({ ...event, ...numbered(at, fromMs) })), missing };
}

type Made = (key: string) => unknown;

const numbered = (at: number, fromMs: number) => ({
  id: `input-${at + 1}`,
  time: new Date(fromMs + at * 1_000).toISOString(),
});

/** Each member that may be another is another one, as long as the key stays what it was. */
async function variant(event: AnyEvent, data: unknown, turn: number): Promise<unknown> {
  if (turn === 0 || typeof data !== "object" || data === null || Array.isArray(data)) return data;
  const key = await keyOf(event, data);
  let varied: object = data;
  for (const [member, value] of Object.entries(data)) {
    for (const other of othersThan(value, turn)) {
      const candidate = { ...varied, [member]: other };
      if ((await keyOf(event, candidate)) !== key) continue;
      varied = candidate;
      break;
    }
  }
  return varied;
}

function othersThan(value: unknown, turn: number): unknown[] {
  if (typeof value === "string") return [`${value} ${turn}`, `${value}-${turn}`, `${value}${turn}`];
  if (typeof value === "number") return [value + turn];
  return typeof value === "boolean" ? [value === (turn % 2 === 0)] : [];
}

/** Undefined where the data does not fit. */
async function keyOf(event: AnyEvent, data: unknown): Promise<string | undefined> {
  const result = await validate(event.data, data);
  return result.faults === undefined ? event.key(result.value) : undefined;
}

/**
 * Reads a file of events, one JSON object a line: `{"type": …, "data": …}`, with an `id` and a
 * `time` where they matter.
 *
 * @throws MR_USAGE with the line that cannot be published
 */
export async function inputsOf(
  file: string,
  system: SystemDefinition,
  fromMs: number,
): Promise<Inputs> {
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new MillraceError("MR_USAGE", `The file ${file} cannot be read.`, { cause });
  });
  const events: Input[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const wrong = (what: string) =>
      new MillraceError("MR_USAGE", `${file}:${index + 1}  ${what}`, { remedy: form });
    const { type, data, ...given } = objectIn(line, wrong);
    const event = system.accepts.find((accepted) => accepted.type === type);
    if (event === undefined) {
      const types = system.accepts.map((accepted) => accepted.type);
      const guess = didYouMean(String(type), types);
      throw wrong(`${system.name} accepts no events ${JSON.stringify(type)}.${guess}`);
    }
    const key = await keyOf(event, data);
    if (key === undefined) throw wrong(`The data does not fit the schema of ${event.type}.`);
    const own = Object.entries({ id: given.id, time: given.time }).filter(
      ([, value]) => typeof value === "string",
    );
    const rest = numbered(events.length, fromMs);
    events.push({ type: event.type, key, data, ...rest, ...Object.fromEntries(own) });
  }
  if (events.length === 0) throw new MillraceError("MR_USAGE", `There are no events in ${file}.`);
  const ids = new Set(events.map(({ id }) => id));
  if (ids.size < events.length) {
    throw new MillraceError("MR_USAGE", `Two events in ${file} have the same id.`, {
      remedy: "Events are published more than once anyhow. Leave the ids out, or make them unique.",
    });
  }
  return { events, missing: [] };
}

const form = 'A line is an event: {"type": "note.written", "data": {"text": "hello"}}';

function objectIn(line: string, wrong: (what: string) => Error): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw wrong("That is no JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong("That is no object.");
  }
  return value as Record<string, unknown>;
}
