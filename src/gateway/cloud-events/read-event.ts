import type { IncomingHttpHeaders } from "node:http";
import { MillraceError } from "../../lib/errors.ts";
import { decodeUtf8, type JsonValue, parseJson } from "../../lib/json.ts";
import { limits } from "../../lib/limits.ts";
import { isJson, isUtf8, type MediaType, parseMediaType } from "../media-type.ts";
import { type AttributeMap, type Attributes, type Defaults, readAttributes } from "./attributes.ts";
import { decodeHeaderValue } from "./header-value.ts";

/** The three modes of the HTTP binding, told apart by the Content-Type alone. */
export type Mode = "batched" | "structured" | "binary";

/** One CloudEvent as it came, its attributes checked, its data not yet. */
export interface IncomingEvent extends Attributes {
  readonly data: JsonValue;
}

/**
 * Section 3 of the HTTP binding: by how the Content-Type begins, in this order.
 *
 * @throws MR_MEDIA_TYPE for event formats other than JSON, and for data that is not JSON
 */
export function modeOf(media: MediaType | undefined): Mode {
  const { essence } = media ?? { essence: "application/json" };
  if (media !== undefined && !isUtf8(media)) throw unsupported("Only UTF-8 is understood.");
  if (essence.startsWith("application/cloudevents-batch")) {
    if (essence === "application/cloudevents-batch+json") return "batched";
    throw unsupported("Of the batch formats only JSON is understood.");
  }
  if (essence.startsWith("application/cloudevents")) {
    if (essence === "application/cloudevents+json") return "structured";
    throw unsupported("Of the event formats only JSON is understood.");
  }
  if (media !== undefined && !isJson(media)) throw unsupported("The data of events is JSON.");
  return "binary";
}

/** @throws MR_CLOUDEVENT_INVALID, MR_MEDIA_TYPE, and everything that parseJson throws */
export function readBinary(
  headers: IncomingHttpHeaders,
  body: Buffer,
  defaults: Defaults,
): IncomingEvent {
  const attributes = new Map<string, unknown>();
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith("ce-")) continue;
    const name = header.slice(3);
    if (name === "datacontenttype") {
      throw invalid("In binary mode Content-Type stands for datacontenttype.", name);
    }
    attributes.set(name, decodeHeaderValue(name, String(value)));
  }
  const read = readAttributes(attributes, defaults);
  return { ...read, data: body.length === 0 ? null : parseJson(decodeUtf8(body)) };
}

/** @throws as readBinary */
export function readStructured(body: Buffer, defaults: Defaults): IncomingEvent {
  return readEvent(parseJson(decodeUtf8(body)), defaults);
}

/** @throws as readBinary with the event's index in each pointer, MR_TOO_MANY_EVENTS */
export function readBatch(body: Buffer, defaults: Defaults): IncomingEvent[] {
  const batch = parseJson(decodeUtf8(body));
  if (!Array.isArray(batch)) {
    throw new MillraceError("MR_CLOUDEVENT_INVALID", "A batch is a JSON array of events.");
  }
  if (batch.length > limits.batchEventsMax) {
    throw new MillraceError(
      "MR_TOO_MANY_EVENTS",
      `A batch has at most ${limits.batchEventsMax} events.`,
      { remedy: "Send several batches, or a stream of lines to POST /events/{type}." },
    );
  }
  return batch.map((event, index) => inPlace(index, () => readEvent(event, defaults)));
}

/** An event in the JSON format: attributes and data are members of one object. */
function readEvent(value: JsonValue, defaults: Defaults): IncomingEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MillraceError("MR_CLOUDEVENT_INVALID", "A CloudEvent is a JSON object.");
  }
  const { data, data_base64, ...rest } = value as Readonly<Record<string, JsonValue>>;
  // A member that is null is an attribute that is not set (JSON format, section 2.2).
  const attributes = new Map(Object.entries(rest).filter(([, member]) => member !== null));
  const read = readAttributes(attributes, defaults);
  requireJsonData(attributes);
  if (data_base64 === undefined) return { ...read, data: data ?? null };
  if (data !== undefined) throw invalid("`data` and `data_base64` exclude each other.", "data");
  return { ...read, data: parseJson(decodeUtf8(decodeBase64(data_base64))) };
}

function requireJsonData(attributes: AttributeMap): void {
  const contentType = attributes.get("datacontenttype");
  if (contentType === undefined) return;
  if (typeof contentType !== "string" || !isJson(parseMediaType(contentType))) {
    throw unsupported("The data of events is JSON: `datacontenttype` must say so.");
  }
}

function decodeBase64(text: JsonValue): Buffer {
  const isBase64 =
    typeof text === "string" && text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  if (!isBase64) throw invalid("`data_base64` is not base64.", "data_base64");
  return Buffer.from(text, "base64");
}

/** Runs what concerns one event of many; its errors point below the event's index. */
export function inPlace<Result>(index: number, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw atIndex(index, error);
  }
}

/** An error of one event of many, pointing to it even where the error has no place of its own. */
export function atIndex(index: number, error: unknown): unknown {
  if (!(error instanceof MillraceError)) return error;
  if (error.faults.length > 0) return error.within(`/${index}`);
  return error.with({ faults: [{ detail: error.message, pointer: `#/${index}` }] });
}

const invalid = (detail: string, name: string): MillraceError =>
  new MillraceError("MR_CLOUDEVENT_INVALID", detail, {
    faults: [{ detail, pointer: `#/${name}` }],
  });

const unsupported = (message: string): MillraceError =>
  new MillraceError("MR_MEDIA_TYPE", message, {
    remedy:
      "Send application/cloudevents+json, application/cloudevents-batch+json, or ce- headers with application/json.",
  });
