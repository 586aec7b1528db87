const m = 0x5bd1e995

/** MurmurHash2 with Kafka's seed, over the bytes of a key; a 32-bit integer. */
const murmur2 = (bytes: Uint8Array): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let hash = 0x9747b28c ^ bytes.length
  let index = 0
  for (; index + 4 <= bytes.length; index += 4) {
    let part = Math.imul(view.getInt32(index, true), m)
    part ^= part >>> 24
    hash = Math.imul(hash, m) ^ Math.imul(part, m)
  }
  const rest = bytes.length - index
  if (rest === 3) hash ^= (bytes[index + 2] ?? 0) << 16
  if (rest >= 2) hash ^= (bytes[index + 1] ?? 0) << 8
  if (rest >= 1) hash = Math.imul(hash ^ (bytes[index] ?? 0), m)
  hash ^= hash >>> 13
  hash = Math.imul(hash, m)
  return hash ^ (hash >>> 15)
}

/** The partition of a key's bytes, as Kafka's default partitioner chooses it. */
export const partitionOfBytes = (key: Uint8Array, partitions: number): number =>
  (murmur2(key) & 0x7fffffff) % partitions

const encoder = new TextEncoder()

/** The partition of a key, as Kafka's default partitioner chooses it. */
export const partitionOf = (key: string, partitions: number): number =>
  partitionOfBytes(encoder.encode(key), partitions)
