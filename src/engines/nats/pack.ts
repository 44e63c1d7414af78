import { crc32 } from "node:zlib";
import type { EventRecord } from "../../system/event-record.ts";

/**
 * The stored form of events that were accepted together: one message holds several of one
 * partition. A part of the format: it never changes.
 *
 * Per event: the length of its text, a CRC over text and partition, and the text: a line of JSON
 * with everything but the data, and the data as they were sent. So who wants other types need not
 * parse, and data are never escaped anew.
 */

/** Below the room that a position leaves for the place within a pack. */
export const packEventsMax = 1_000;

const placesPerPack = 1_024;
const prefixBytes = 8;

/** Where an event stands: the sequence of its message in the stream, and its place in there. */
export const positionOf = (sequence: number, place: number): number =>
  sequence * placesPerPack + place;

export const sequenceOf = (position: number): number => Math.floor(position / placesPerPack);

export const placeOf = (position: number): number => position % placesPerPack;

/** What one event takes in a pack. */
export function packedEvent(event: EventRecord, partition: number): Buffer {
  const { id, source, type, key, time, data, attributes } = event;
  const head: unknown[] = [type, id, source, key, time];
  for (const _ in attributes) {
    head.push(attributes);
    break;
  }
  const line = JSON.stringify(head);
  const lineBytes = Buffer.byteLength(line);
  const textBytes = lineBytes + 1 + Buffer.byteLength(data);
  const bytes = Buffer.allocUnsafe(prefixBytes + textBytes);
  bytes.write(line, prefixBytes);
  bytes.write("\n", prefixBytes + lineBytes);
  bytes.write(data, prefixBytes + lineBytes + 1);
  bytes.writeUInt32BE(textBytes, 0);
  bytes.writeUInt32BE(crc32(bytes.subarray(prefixBytes), partition), 4);
  return bytes;
}

/** The event at a place of a pack, and where the next one begins; undefined where it is damaged. */
export function unpackEvent(
  pack: Buffer,
  offset: number,
  partition: number,
): { readonly event: EventRecord; readonly next: number } | undefined {
  if (offset + prefixBytes > pack.length) return undefined;
  const next = offset + prefixBytes + pack.readUInt32BE(offset);
  if (next > pack.length) return undefined;
  const text = pack.subarray(offset + prefixBytes, next);
  if (crc32(text, partition) !== pack.readUInt32BE(offset + 4)) return undefined;
  const lineEnd = text.indexOf(10);
  const head = JSON.parse(text.toString("utf8", 0, lineEnd));
  const [type, id, source, key, time, attributes = noAttributes] = head;
  const data = text.toString("utf8", lineEnd + 1);
  return { event: { id, source, type, key, time, data, attributes }, next };
}

const noAttributes = Object.freeze({});

/** The event at a place, where only that one is wanted. */
export function eventAt(pack: Buffer, place: number, partition: number): EventRecord | undefined {
  let offset = 0;
  for (let at = 0; ; at++) {
    const unpacked = unpackEvent(pack, offset, partition);
    if (unpacked === undefined || at === place) return unpacked?.event;
    offset = unpacked.next;
  }
}
