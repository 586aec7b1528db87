import { Context, Effect } from "effect"
import { v7 } from "uuid"

/** Randomness is drawn for 256 ids at once: the system call costs more than all the rest of an id. */
const pool = new Uint8Array(256 * 16)
let drawn = pool.length

const random = (): Uint8Array => {
  if (drawn === pool.length) {
    crypto.getRandomValues(pool)
    drawn = 0
  }
  drawn += 16
  return pool.subarray(drawn - 16, drawn)
}

let milliseconds = Number.NEGATIVE_INFINITY
let sequence = 0

/** RFC 9562, 6.2, method 1: within a millisecond, and while the clock goes back, a counter that starts anywhere in its lower half. */
const next = (): string => {
  const bytes = random()
  const now = Date.now()
  if (now > milliseconds) {
    milliseconds = now
    sequence = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) & 0x7fff_ffff
  } else {
    sequence += 1
  }
  return v7({ random: bytes, msecs: milliseconds, seq: sequence })
}

/**
 * Where new ids come from: UUIDv7 (RFC 9562), which sort by the time of their making. Tests replace it to replay the same ids:
 * `Effect.provideService(Ids, …)`.
 */
export class Ids extends Context.Reference<Ids>()("@tandem/messaging/Ids", {
  defaultValue: () => ({ next: Effect.sync(next) }),
}) {}

/** A new UUIDv7. */
export const nextId: Effect.Effect<string> = Effect.flatMap(Ids, (ids) => ids.next)
