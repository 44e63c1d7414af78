import { MillraceError } from "../lib/errors.ts";
import { limits } from "../lib/limits.ts";
import { fitsBytes, isStorable, isStorableWithin } from "../lib/text.ts";
import type { AnyEvent } from "./event.ts";
import type { EventAttributes, EventRecord } from "./event-record.ts";
import { type Validation, validate } from "./schema.ts";

/** Everything of an event but what its definition decides. */
export interface EventParts {
  readonly id: string;
  readonly source: string;
  /** RFC 3339. */
  readonly time: string;
  readonly attributes: EventAttributes;
}

/**
 * Makes an event of checked data: the one way from a definition to a record, for producer and
 * outbox. The data is stored as it was given, not as the schema transforms it, since only the
 * former is sure to be JSON; handlers run the schema again. Synchronous where the schema is.
 *
 * @param text what `JSON.stringify` makes of the data, where somebody has done so already
 * @throws MR_DATA_INVALID with each fault's pointer, MR_KEY_NOT_STRING, MR_BODY_TOO_LARGE
 */
export function makeEvent(
  definition: AnyEvent,
  data: unknown,
  parts: EventParts,
  text?: string,
): EventRecord | Promise<EventRecord> {
  const result = validate(definition.data, data);
  return result instanceof Promise
    ? result.then((validation) => toRecord(definition, data, validation, parts, text))
    : toRecord(definition, data, result, parts, text);
}

function toRecord(
  definition: AnyEvent,
  data: unknown,
  validation: Validation<unknown>,
  parts: EventParts,
  text = JSON.stringify(data) as string | undefined,
): EventRecord {
  const { type } = definition;
  if (validation.faults !== undefined) {
    throw new MillraceError("MR_DATA_INVALID", `The data does not fit the schema of ${type}.`, {
      faults: validation.faults,
    });
  }
  const key = keyOf(definition, validation.value);
  if (text === undefined || !fitsBytes(text, limits.dataBytesMax)) {
    throw new MillraceError(
      "MR_BODY_TOO_LARGE",
      `The data of an event holds at most ${limits.dataBytesMax} bytes of JSON.`,
    );
  }
  // Such text is always escaped in JSON, and next to never there.
  if (/\\u(?:0000|d[89a-f])/i.test(text) && !isStorableWithin(JSON.parse(text))) {
    throw new MillraceError(
      "MR_JSON_STRING",
      `The data of ${type} has a text with U+0000 or with half of a surrogate pair.`,
      { remedy: "No database can store that as it is; leave it out, or encode it." },
    );
  }
  const { id, source, time } = parts;
  return { id, source, time, type, key, data: text, attributes: withVersion(parts, definition) };
}

/** The data are of today's version, whatever they were before. */
function withVersion({ attributes }: EventParts, { version }: AnyEvent): EventRecord["attributes"] {
  if (version > 1) return { ...attributes, version };
  if (attributes.version === undefined) return attributes;
  const { version: _former, ...others } = attributes;
  return others;
}

function keyOf(definition: AnyEvent, data: unknown): string {
  const key: unknown = definition.key(data);
  const isText = typeof key === "string" && isStorable(key);
  if (isText && key.length > 0 && fitsBytes(key, limits.keyBytesMax)) return key;
  const found = typeof key === "string" ? `a string of ${key.length} characters` : String(key);
  const flaw = typeof key === "string" && !isText ? ", one of which is none" : "";
  throw new MillraceError(
    "MR_KEY_NOT_STRING",
    `The key of ${definition.type} is ${found}${flaw}.`,
    {
      remedy: `The \`key\` function must return a text of 1 to ${limits.keyBytesMax} bytes, without U+0000.`,
    },
  );
}
