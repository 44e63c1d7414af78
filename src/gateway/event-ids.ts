import { hash } from "node:crypto";
import { derivedId } from "../lib/ids.ts";

/** Gives the events of one request their ids, by their index in it. */
export type EventIds = (index: number) => string;

/**
 * Ids that are the same whenever the same client repeats the same key on the same route, so that
 * the queue itself, which knows an id for a day, is the memory of the keys: durable with the
 * append.
 *
 * They cannot carry a time, because a repeat comes at another one. So they land anywhere in an
 * index of ids, where UUIDv7 lands at its end; on a large queue that costs throughput (six-fold at
 * two million stored events). It is the price of a key that survives a crash of everything.
 */
export function keyedIds(client: string, route: string, key: string): EventIds {
  const scope = [client, route, key].map((part) => `${part.length}:${part}`).join("");
  return (index) => {
    const digest = hash("sha256", `${scope}${index}`, "buffer");
    // UUIDv8 (RFC 9562, section 5.8): the layout is ours, version and variant are set.
    digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
    digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
    const hex = digest.toString("hex", 0, 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  };
}

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const isStampedId = (text: string): boolean => uuidv7.test(text);

/**
 * Ids from the one that the balancer stamped on a request, so that a request which it sent to a
 * second gateway makes the same events. A single event has the stamped id, the others grow from it.
 */
export function stampedIds(stamped: string): EventIds {
  const timeMs = Number.parseInt(stamped.slice(0, 8) + stamped.slice(9, 13), 16);
  return (index) => (index === 0 ? stamped : derivedId(timeMs, stamped, String(index)));
}

/** What tells a repeat from another use of the same key. */
export const fingerprintOf = (
  type: string,
  content: Uint8Array | string,
  at: string | undefined,
): string => {
  const head = at === undefined ? `${type}\n` : `${type} ${at}\n`;
  return hash("sha256", Buffer.concat([Buffer.from(head), Buffer.from(content)]), "hex");
};
