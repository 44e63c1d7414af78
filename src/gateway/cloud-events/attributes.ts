import { type Fault, MillraceError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { isRfc3339 } from "../../lib/rfc3339.ts";
import { hasControlCharacter, isStorable } from "../../lib/text.ts";
import type { EventAttributes } from "../../system/event-record.ts";
import type { EventParts } from "../../system/make-event.ts";
import { parseTraceparent } from "../../tracing/tracing.ts";
import { deliveryTimeOf } from "../request-headers.ts";

/** The context attributes of a CloudEvent by name, in whatever mode they came. */
export type AttributeMap = ReadonlyMap<string, unknown>;

/** A CloudEvent taken apart; its data is still as it came. */
export interface Attributes {
  readonly type: string;
  readonly parts: EventParts;
}

/** What the request says for all of its events. */
export interface Defaults {
  /** RFC 3339. */
  readonly time: string;
  /** The time of delivery, where the request has one. */
  readonly at: string | undefined;
  /** When the request came, milliseconds since 1970. */
  readonly nowMs: number;
}

/** Attributes with a place of their own; `partitionkey` gives way to the definition's key. */
const known = new Set([
  ...["specversion", "id", "source", "type", "time", "subject", "dataschema"],
  ...["datacontenttype", "partitionkey", "traceparent", "tracestate"],
  "millraceat",
]);

/**
 * Checks the attributes of a CloudEvent 1.0.
 *
 * @param defaults what stands for attributes that the event does not have
 * @throws MR_CLOUDEVENT_INVALID with a pointer for every attribute that is wrong
 */
export function readAttributes(map: AttributeMap, defaults: Defaults): Attributes {
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
  const at = text("millraceat", 64) ?? defaults.at;
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
    ...(at === undefined ? {} : { at: deliveryTimeOf(at, defaults.nowMs) }),
    ...(extensions === undefined ? {} : { extensions }),
  };
  return { type, parts: { id, source, time: time ?? defaults.time, attributes } };
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
