import { type Fault, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { hasControlCharacter, isStorable } from "../../lib/text.ts";
import type { EventAttributes } from "../../system/event-record.ts";
import type { EventParts } from "../../system/make-event.ts";
import { parseTraceparent } from "../../tracing/tracing.ts";

/** The context attributes of a CloudEvent by name, in whatever mode they came. */
export type AttributeMap = ReadonlyMap<string, unknown>;

/** A CloudEvent taken apart; its data is still as it came. */
export interface Attributes {
  readonly type: string;
  readonly parts: EventParts;
}

/** Attributes with a place of their own; `partitionkey` gives way to the definition's key. */
const known = new Set([
  ...["specversion", "id", "source", "type", "time", "subject", "dataschema"],
  ...["datacontenttype", "partitionkey", "traceparent", "tracestate"],
]);

/**
 * Checks the attributes of a CloudEvent 1.0.
 *
 * @param now what `time` becomes where the event has none
 * @throws MR_CLOUDEVENT_INVALID with a pointer for every attribute that is wrong
 */
export function readAttributes(map: AttributeMap, now: string): Attributes {
  const faults: Fault[] = [];
  const report = (name: string, detail: string) => {
    faults.push({ detail: `\`${name}\` ${detail}`, pointer: `#/${encodeURIComponent(name)}` });
  };
  const text = (name: string, bytesMax: number): string | undefined => {
    const value = map.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== "string" || value === "") report(name, "must be a string, not empty");
    else if (Buffer.byteLength(value) > bytesMax) report(name, `has more than ${bytesMax} bytes`);
    else if (!isPlain(value)) report(name, noPlainText);
    else return value;
    return undefined;
  };
  const required = (name: string, bytesMax: number): string => {
    if (!map.has(name)) report(name, "is required");
    return text(name, bytesMax) ?? "";
  };

  if (required("specversion", 10) !== "1.0" && map.has("specversion")) {
    report("specversion", 'must be "1.0"');
  }
  const id = required("id", limits.idBytesMax);
  const source = required("source", limits.sourceBytesMax);
  if (source !== "" && !isUriReference(source)) report("source", "must be a URI reference");
  const type = required("type", limits.sourceBytesMax);
  const time = text("time", 64);
  if (time !== undefined && !isRfc3339(time)) report("time", "must be an RFC 3339 time");
  const dataschema = text("dataschema", limits.sourceBytesMax);
  if (dataschema !== undefined && !URL.canParse(dataschema)) {
    report("dataschema", "must be an absolute URI");
  }
  text("partitionkey", limits.keyBytesMax);
  const subject = text("subject", limits.sourceBytesMax);
  const extensions = readExtensions(map, report);
  if (faults.length > 0) {
    throw new MillraceError("MR_CLOUDEVENT_INVALID", "The CloudEvent is malformed.", {
      faults,
      remedy: "Plain data, without CloudEvents, goes to POST /events/{type}.",
    });
  }
  const attributes: EventAttributes = {
    ...traceAttributes(map),
    ...(subject === undefined ? {} : { subject }),
    ...(dataschema === undefined ? {} : { dataschema }),
    ...(extensions === undefined ? {} : { extensions }),
  };
  return { type, parts: { id, source, time: time ?? now, attributes } };
}

type Report = (name: string, detail: string) => void;

function readExtensions(map: AttributeMap, report: Report): EventAttributes["extensions"] {
  const extensions: Record<string, string | number | boolean> = {};
  let count = 0;
  for (const [name, value] of map) {
    if (known.has(name)) continue;
    if (!/^[a-z0-9]+$/.test(name) || name === "data")
      report(name, "has a name other than a-z, 0-9");
    else if (typeof value === "string" && !isPlain(value)) report(name, noPlainText);
    else if (typeof value === "string" || typeof value === "boolean" || isInt32(value)) {
      extensions[name] = value;
      count++;
    } else report(name, "must be a string, a boolean or an integer of 32 bits");
  }
  if (count > limits.extensionsMax) report("extensions", `are more than ${limits.extensionsMax}`);
  return count === 0 ? undefined : extensions;
}

/** CloudEvents 1.0.2, section 3.1: strings have no control characters and no half characters. */
const isPlain = (text: string): boolean => isStorable(text) && !hasControlCharacter(text);
const noPlainText = "has a control character or half of a surrogate pair";

const isInt32 = (value: unknown): value is number =>
  typeof value === "number" && (value | 0) === value;

/** The context in which the client created the event is kept; a malformed one is as if absent. */
function traceAttributes(map: AttributeMap): Pick<EventAttributes, "traceparent" | "tracestate"> {
  const traceparent = map.get("traceparent");
  const tracestate = map.get("tracestate");
  if (typeof traceparent !== "string" || parseTraceparent(traceparent) === undefined) return {};
  return typeof tracestate === "string" ? { traceparent, tracestate } : { traceparent };
}

const isUriReference = (text: string): boolean =>
  !/[\s<>"{}|\\^`]/.test(text) && URL.canParse(text, "http://base.invalid/");

/** `2018-04-05T17:31:00Z`, with a fraction and an offset where there is one; a day that exists. */
function isRfc3339(text: string): boolean {
  const match =
    /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](\d{2}):(\d{2}))$/.exec(
      text,
    );
  if (match === null) return false;
  const [
    year = 0,
    month = 0,
    day = 0,
    hour = 0,
    minute = 0,
    second = 0,
    offHour = 0,
    offMinute = 0,
  ] = match.slice(1).map((part) => Number(part ?? 0));
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  // 60 is a leap second.
  return isDay && hour < 24 && minute < 60 && second <= 60 && offHour < 24 && offMinute < 60;
}

const daysIn = (year: number, month: number): number =>
  new Date(Date.UTC(year, month, 0)).getUTCDate();
