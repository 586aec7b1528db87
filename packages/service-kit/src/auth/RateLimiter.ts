/** What a limiter says of one request. */
export interface Allowance {
  readonly allowed: boolean
  /** How many more may come at once. */
  readonly remaining: number
}

/** Counts requests by whoever makes them. */
export interface RateLimiter {
  /** Takes one request off what `key` may still do. */
  readonly take: (key: string) => Allowance
}

/** So many keys are counted in a period; a flood of others makes the limiter forget sooner, and never grow. */
const maximumKeys = 50_000

/** A bucket fills up in so long, in ms. */
const period = 1_000

/**
 * Token buckets in memory, one a key: `perSecond` requests at once, then as many a second. A bucket that nobody has taken from for a
 * second is full, and so is one that is not there: two tables that take turns forget them without a sweep and without a timer.
 */
export const make = (perSecond: number, now: () => number = Date.now): RateLimiter => {
  let current = new Map<string, { tokens: number; at: number }>()
  let previous = current
  let turnedAt = now()

  const take = (key: string): Allowance => {
    const at = now()
    if (at - turnedAt >= period || current.size >= maximumKeys) {
      previous = at - turnedAt >= 2 * period ? new Map() : current
      current = new Map()
      turnedAt = at
    }
    let bucket = current.get(key)
    if (bucket === undefined) {
      bucket = previous.get(key) ?? { tokens: perSecond, at }
      current.set(key, bucket)
    }
    // A clock that was set back gives nothing, and takes nothing.
    const gained = Math.max(0, ((at - bucket.at) / period) * perSecond)
    bucket.tokens = Math.min(perSecond, bucket.tokens + gained)
    bucket.at = at
    if (bucket.tokens < 1) return { allowed: false, remaining: 0 }
    bucket.tokens -= 1
    return { allowed: true, remaining: Math.floor(bucket.tokens) }
  }

  return { take }
}

/** Whom an address stands for: an IPv4 address as such, also within IPv6; of an IPv6 address its network (/64), which is one household's. */
export const networkOf = (address: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(":")) return address
  const [head = "", tail] = (address.split("%")[0] ?? "").split("::")
  const groups = head === "" ? [] : head.split(":")
  const after = tail === undefined || tail === "" ? [] : tail.split(":")
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - groups.length - after.length }, () => "0")
  return [...groups, ...zeros, ...after]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")
}
