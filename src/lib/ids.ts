import { createHash } from "node:crypto";
import { type Clock, systemClock } from "./clock.ts";
import { type Random, systemRandom } from "./random.ts";

/** What an id has beside its time and its counter, in hex digits. */
const tailDigits = 16;
/** One draw for many ids: asking the system for eight bytes costs more than all of the rest. */
const drawnBytes = 4_096;

/**
 * Makes UUIDv7 ids (RFC 9562, section 5.7) that grow even within one millisecond: the 12 bits after
 * the time count up (method 1), because indexes on ids that grow stay small and fast.
 */
export function idMaker(clock: Clock = systemClock, random: Random = systemRandom): () => string {
  let lastMs = 0;
  let time = "";
  let counter = 0;
  let drawn = "";
  let taken = 0;
  const enter = (ms: number, count: number): void => {
    lastMs = ms;
    time = timeDigits(ms);
    counter = count;
  };
  return () => {
    const now = clock.now();
    if (now > lastMs) enter(now, Math.floor(random.fraction() * 0x400));
    else if (++counter > 0xfff) enter(lastMs + 1, 0);
    if (taken === drawn.length) {
      drawn = random.bytes(drawnBytes).toString("hex");
      taken = 0;
    }
    taken += tailDigits;
    return uuidv7(time, counter, drawn.slice(taken - tailDigits, taken));
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
  const tail = digest.toString("hex", 0, tailDigits / 2);
  return uuidv7(timeDigits(timeMs), digest.readUInt16BE(8) & 0xfff, tail);
}

/** 48 bits of milliseconds, as the first two groups of a UUID. */
function timeDigits(timeMs: number): string {
  const digits = timeMs.toString(16).padStart(12, "0");
  return `${digits.slice(0, 8)}-${digits.slice(8)}`;
}

/** `tail`: 16 hex digits, of which the first two bits make room for the variant. */
function uuidv7(time: string, counter: number, tail: string): string {
  const variant = "89ab".charAt(Number.parseInt(tail.charAt(0), 16) & 3);
  const count = (0x7000 | counter).toString(16);
  return `${time}-${count}-${variant}${tail.slice(1, 4)}-${tail.slice(4)}`;
}
