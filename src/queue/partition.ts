const offsetBasis = 0x811c9dc5;
const prime = 0x01000193;

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

/** Without a buffer for keys of ASCII, as nearly all are. */
function hashOf(key: string): number {
  let hash = offsetBasis;
  for (let at = 0; at < key.length; at++) {
    const unit = key.charCodeAt(at);
    if (unit > 0x7f) return hashOfBytes(Buffer.from(key, "utf8"));
    hash = Math.imul(hash ^ unit, prime);
  }
  return hash;
}

function hashOfBytes(bytes: Uint8Array): number {
  let hash = offsetBasis;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, prime);
  return hash;
}
