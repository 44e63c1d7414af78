import { MillraceError } from "../lib/errors.ts";
import { didYouMean } from "../lib/nearest.ts";
import { exampleData } from "../runtime/example-data.ts";
import type { AnyEvent } from "../system/event.ts";
import { validate } from "../system/schema.ts";
import type { SystemDefinition } from "../system/system.ts";

/** What a drill publishes to an application that is not its own. */
export interface ExampleEvents {
  readonly type: string;
  /** One where no part of the data could be found that the key follows from. */
  readonly keys: readonly string[];
  data(key: string): unknown;
  /** The workers that handle these events. */
  readonly workerNames: readonly string[];
}

/**
 * Makes events of a type from its example, or from its schema; under as many keys as are wanted,
 * where a member of the data can be found that the key follows from.
 *
 * @throws MR_USAGE where there is no such type, or nothing that fits it can be made
 */
export async function exampleEvents(
  { accepts, workers, name }: SystemDefinition,
  wantedType: string | undefined,
  keyCount: number,
): Promise<ExampleEvents> {
  const event = eventOf(accepts, wantedType, name);
  const example = await exampleData(event);
  if (example === undefined) {
    throw new MillraceError("MR_USAGE", `No data could be made that fits ${event.type}.`, {
      remedy: "Give its definition an `example`, or name another type with --type.",
    });
  }
  const handling = workers.filter(({ handlers }) =>
    handlers.some((handler) => handler.event.type === event.type),
  );
  if (handling.length === 0) {
    throw new MillraceError("MR_USAGE", `No worker of ${name} handles ${event.type}.`, {
      remedy: "Name another type with --type: one that has an effect.",
    });
  }
  const names = Array.from({ length: keyCount }, (_, index) => `drill-${index + 1}`);
  const member = await keyMember(event, example, names[0] ?? "drill-1");
  return {
    type: event.type,
    keys: member === undefined ? ["drill-1"] : names,
    data: (key) => (member === undefined ? example : { ...(example as object), [member]: key }),
    workerNames: handling.map((worker) => worker.name),
  };
}

function eventOf(
  accepts: readonly AnyEvent[],
  wanted: string | undefined,
  system: string,
): AnyEvent {
  const types = accepts.map(({ type }) => type);
  const [first] = accepts;
  const found = wanted === undefined ? first : accepts.find(({ type }) => type === wanted);
  if (found !== undefined) return found;
  const guess = didYouMean(wanted ?? "", types);
  throw new MillraceError("MR_USAGE", `${system} accepts no events "${wanted}".${guess}`, {
    remedy: `It accepts ${types.join(", ") || "none"}.`,
  });
}

/** The member of the data that the key follows from: a text, and another one is another key. */
async function keyMember(
  event: AnyEvent,
  example: unknown,
  otherName: string,
): Promise<string | undefined> {
  if (typeof example !== "object" || example === null || Array.isArray(example)) return undefined;
  const before = await keyOf(event, example);
  for (const [member, value] of Object.entries(example)) {
    if (typeof value !== "string") continue;
    const key = await keyOf(event, { ...example, [member]: otherName });
    if (key !== undefined && key !== before) return member;
  }
  return undefined;
}

async function keyOf(event: AnyEvent, data: unknown): Promise<string | undefined> {
  const result = await validate(event.data, data);
  if (result.faults !== undefined) return undefined;
  return event.key(result.value);
}
