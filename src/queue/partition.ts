/**
 * The partition of a key: 32-bit FNV-1a over its UTF-8, mixed (murmur3's finalizer) so that the low
 * bits spread, modulo the number of partitions. Part of the stored format: it never changes.
 */
export function partitionOf(key: string, partitions: number): number {
  let hash = hashOf(key);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % partitions;
}

function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) {
    const byte = key.charCodeAt(at);
    if (byte > 0x7f) return hashOfBytes(Buffer.from(key, "utf8"));
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash;
}

/** Of keys whose characters are not all one byte long. */
function hashOfBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash;
}
