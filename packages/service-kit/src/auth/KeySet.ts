import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose"

/** Where an issuer publishes its keys, and how often it may be asked. */
export interface KeySetOptions {
  readonly url: URL
  /** Keys are asked for again after so long, in ms; 10 minutes when absent. */
  readonly maximumAge?: number
  /** The issuer is asked once in so long at most, in ms, whatever it answers and whatever tokens name; 10 s when absent. */
  readonly cooldown?: number
  /** How long one answer may take, in ms; 5 s when absent. */
  readonly timeout?: number
  /** Told when the issuer cannot be asked. */
  readonly onFault?: (fault: unknown) => void
  /** ms since the epoch; the clock of the machine when absent. */
  readonly now?: () => number
}

/** The issuer has not told the key that a token names, and cannot be asked now: it is not known whether the token is good. */
export class IssuerUnavailable extends Error {
  override readonly name = "IssuerUnavailable"
}

/** An issuer's public keys. */
export interface KeySet {
  /** For jose. Fails with its `JWKSNoMatchingKey` when the issuer has no such key, with {@link IssuerUnavailable} when that is not known. */
  readonly key: JWTVerifyGetKey
  /** Grows whenever a key is no longer published: what it has signed must be looked at again. */
  readonly generation: () => number
  /** Asks the issuer, unless it was asked a moment ago. Never fails. */
  readonly refresh: () => Promise<void>
}

/** A document of keys has a few kilobytes; more than this is none. */
const maximumBytes = 262_144

/**
 * A remote JWKS (RFC 7517, 5) that survives its issuer. Known keys stay when the issuer is down; a key that is not known has it asked
 * again, so that a rotation needs no restart, but however many tokens name unknown keys, once in a cooldown only.
 */
export const make = (options: KeySetOptions): KeySet => {
  const { url, maximumAge = 600_000, cooldown = 10_000, timeout = 5_000, now = Date.now } = options
  let keys: JSONWebKeySet | undefined
  let find: JWTVerifyGetKey = () => Promise.reject(new IssuerUnavailable("the issuer's keys are not known"))
  let readAt = Number.NEGATIVE_INFINITY
  let askedAt = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined
  let failing = true
  let generation = 0

  const ask = async () => {
    askedAt = now()
    try {
      const told = await read(url, timeout)
      const local = createLocalJWKSet(told)
      const published = new Set(told.keys.map((key) => JSON.stringify(key)))
      if (keys?.keys.some((key) => !published.has(JSON.stringify(key)))) generation++
      keys = told
      find = local
      readAt = now()
      failing = false
    } catch (fault) {
      failing = true
      options.onFault?.(fault)
    } finally {
      asking = undefined
    }
  }

  /** All who need the issuer at a time share one answer. */
  const refresh = (): Promise<void> => {
    if (asking === undefined && now() - askedAt >= cooldown) asking = ask()
    return asking ?? Promise.resolve()
  }

  const key: JWTVerifyGetKey = async (header, token) => {
    if (now() - readAt >= maximumAge) await refresh()
    try {
      return await find(header, token)
    } catch (fault) {
      if (!(fault instanceof errors.JWKSNoMatchingKey)) throw fault
      await refresh()
      try {
        return await find(header, token)
      } catch (still) {
        if (failing && still instanceof errors.JWKSNoMatchingKey) {
          throw new IssuerUnavailable("the issuer cannot be asked for its keys", { cause: still })
        }
        throw still
      }
    }
  }

  return { key, generation: () => generation, refresh }
}

const read = async (url: URL, timeout: number): Promise<JSONWebKeySet> => {
  const response = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    redirect: "error",
    signal: AbortSignal.timeout(timeout),
  })
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel()
    throw new Error(`the issuer answers ${response.status} for its keys`)
  }
  const parts: Array<Uint8Array> = []
  let size = 0
  for await (const part of response.body) {
    size += part.byteLength
    if (size > maximumBytes) throw new Error("the issuer's keys are too large")
    parts.push(part)
  }
  const told: unknown = JSON.parse(Buffer.concat(parts).toString("utf8"))
  const keys = typeof told === "object" && told !== null && "keys" in told && Array.isArray(told.keys) ? told.keys : []
  // One that forgets all its keys for a moment must not lock everybody out.
  if (keys.length === 0) throw new Error("the issuer publishes no keys")
  return { keys }
}
