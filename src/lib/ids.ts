import { createHash } from "node:crypto";
import { type Clock, systemClock } from "./clock.ts";
import { type Random, systemRandom } from "./random.ts";

/** What an id has beside its time and its counter. */
const tailBytes = 8;
const tailsPerDraw = 64;

/**
 * Makes UUIDv7 ids (RFC 9562, section 5.7) that grow even within one millisecond: the 12 bits after
 * the time count up (method 1), because indexes on ids that grow stay small and fast.
 */
export function idMaker(clock: Clock = systemClock, random: Random = systemRandom): () => string {
  let lastMs = 0;
  let counter = 0;
  let drawn: Buffer = Buffer.alloc(0);
  const tail = (): Buffer => {
    // One draw for many ids: asking the system for eight bytes costs more than all of the rest.
    if (drawn.length === 0) drawn = random.bytes(tailBytes * tailsPerDraw);
    const bytes = drawn.subarray(0, tailBytes);
    drawn = drawn.subarray(tailBytes);
    return bytes;
  };
  return () => {
    const now = clock.now();
    if (now > lastMs) {
      lastMs = now;
      counter = Math.floor(random.fraction() * 0x400);
    } else if (++counter > 0xfff) {
      lastMs += 1;
      counter = 0;
    }
    return uuidv7(lastMs, counter, tail());
  };
}

/**
 * An id that is the same whenever it is derived from the same parts. It carries `timeMs` like any
 * UUIDv7, so that it lands near its cause in an index.
 */
export function derivedId(timeMs: number, ...parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:${part}`);
  const digest = hash.digest();
  return uuidv7(timeMs, digest.readUInt16BE(8) & 0xfff, digest);
}

function uuidv7(timeMs: number, counter: number, tail: Uint8Array): string {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeUIntBE(timeMs, 0, 6);
  bytes.writeUInt16BE(0x7000 | counter, 6);
  bytes.set(tail.subarray(0, tailBytes), 8);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
