import { hash, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Random } from "../../lib/random.ts";

/**
 * `mr_<id>_<secret><checksum>`: the prefix lets scanners of source code find leaked keys, the
 * checksum lets them (and us) tell a key from a lookalike without asking anybody, the id finds the
 * stored hash, and the secret is 256 random bits.
 */
const pattern = /^mr_([0-9a-f]{12})_([0-9a-f]{64})([0-9a-f]{8})$/;

export interface NewKey {
  readonly id: string;
  /** The whole key. Shown once, never stored. */
  readonly key: string;
  readonly sha256: string;
}

export function makeApiKey(random: Random): NewKey {
  const id = random.bytes(6).toString("hex");
  const body = `mr_${id}_${random.bytes(32).toString("hex")}`;
  const key = body + checksumOf(body);
  return { id, key, sha256: hash("sha256", key, "hex") };
}

const checksumOf = (body: string): string => crc32(body).toString(16).padStart(8, "0");

export const looksLikeApiKey = (token: string): boolean => token.startsWith("mr_");

/** The id of a well-formed key, to look its hash up with; undefined for everything else. */
export function apiKeyId(token: string): string | undefined {
  const match = pattern.exec(token);
  if (match === null || checksumOf(token.slice(0, -8)) !== match[3]) return undefined;
  return match[1];
}

/** Compares in a time that tells nothing about where the two differ. */
export function matchesHash(token: string, sha256: string): boolean {
  const given = hash("sha256", token, "buffer");
  const stored = Buffer.from(sha256, "hex");
  return stored.length === given.length && timingSafeEqual(given, stored);
}
