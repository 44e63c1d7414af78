import { crc32 } from "node:zlib";
import type { QueuedEvent } from "../../queue/engine.ts";
import type { EventAttributes } from "../../system/event-record.ts";

/** The columns of an event's row, in the order of the table and of every statement. */
export const eventColumns = [
  ...["position", "partition", "type", "source", "id", "key", "time", "accepted_at", "crc"],
  ...["attributes", "data"],
];

/** A row as SQLite gives it, in the order of `eventColumns`. */
export type EventRow = readonly [
  position: number,
  partition: number,
  type: string,
  source: string,
  id: string,
  key: string,
  time: string,
  acceptedAt: number,
  crc: number,
  attributes: string | null,
  data: string,
];

/**
 * The checksum over all other fields of a row: SQLite has none for what stands in the main file.
 * The separator keeps a character from moving from one field to the next unseen.
 */
export const checksum = (
  position: number,
  partition: number,
  type: string,
  source: string,
  id: string,
  key: string,
  time: string,
  acceptedAt: number,
  attributes: string | null,
  data: string,
): number =>
  crc32(
    `${position}\n${partition}\n${type}\n${source}\n${id}\n${key}\n${time}\n${acceptedAt}\n${attributes ?? ""}\n${data}`,
  );

const noAttributes: EventAttributes = Object.freeze({});

/** Undefined where the row is not what was written. */
export function eventOf(row: EventRow): QueuedEvent | undefined {
  const [position, partition, type, source, id, key, time, acceptedAt, crc, attributes, data] = row;
  const found = checksum(
    position,
    partition,
    type,
    source,
    id,
    key,
    time,
    acceptedAt,
    attributes,
    data,
  );
  if (found !== crc) return undefined;
  const event = {
    id,
    source,
    type,
    key,
    time,
    data,
    attributes: attributes === null ? noAttributes : attributesOf(attributes),
  };
  return { partition, position, acceptedAt, event };
}

/** Events that came in one request mostly have the same ones: their text is parsed once. */
let last: { readonly text: string; readonly attributes: EventAttributes } | undefined;

/** Each event has its own, which its handlers may change as they like. */
function attributesOf(text: string): EventAttributes {
  if (last?.text !== text) last = { text, attributes: JSON.parse(text) };
  const { attributes } = last;
  return attributes.extensions === undefined ? { ...attributes } : JSON.parse(text);
}

/**
 * The text of the attributes; null where there are none, which is then neither stored nor parsed.
 */
export function attributesText(attributes: EventAttributes): string | null {
  for (const _ in attributes) return JSON.stringify(attributes);
  return null;
}
