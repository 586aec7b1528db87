import { hash } from "node:crypto"
import { UserId } from "@tandem/contracts/UserId"
import { Schema } from "effect"
import { errors, type JWTPayload, jwtVerify } from "jose"
import { type Caller, scopes } from "./Caller.js"
import { IssuerUnavailable, type KeySet } from "./KeySet.js"

/** What a token must be to be believed. */
export interface TokenRules {
  /** The `iss` that it must have. */
  readonly issuer: string
  /** What must be among its `aud`. */
  readonly audience: string
  /** The signatures that count; never `none`, never one with a shared secret. */
  readonly algorithms: ReadonlyArray<Algorithm>
}

/** Signatures with a public key (RFC 7518, RFC 8037, RFC 9864). */
export const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const

/** One of {@link algorithms}. */
export type Algorithm = (typeof algorithms)[number]

/** What a token turned out to be. `Unknown`: nobody can say at the moment, for the issuer cannot be asked. */
export type Verdict =
  | { readonly _tag: "Verified"; readonly caller: Caller }
  | { readonly _tag: "Refused"; readonly why: string }
  | { readonly _tag: "Unknown" }

/** Verifies tokens, and remembers those that are good. */
export interface TokenVerifier {
  /** The verdict of a token that is remembered; costs a hash. */
  readonly recall: (token: string) => Verdict | undefined
  /** Verifies a token. Never fails. */
  readonly verify: (token: string) => Promise<Verdict>
}

/** Clocks disagree by so much, in seconds. */
const leeway = 5

/** So many good tokens are remembered; the oldest goes first. */
const maximumRemembered = 10_000

/** A token is looked at again after so long, in ms, so that a key which its issuer withdraws stops counting. */
const rememberedFor = 300_000

/** A verifier of JWTs (RFC 7519, RFC 8725). `now` is ms since the epoch. */
export const make = (rules: TokenRules, keys: KeySet, now: () => number = Date.now): TokenVerifier => {
  const remembered = new Map<
    string,
    { readonly verdict: Verdict; readonly until: number; readonly generation: number }
  >()

  const recall = (token: string): Verdict | undefined => {
    const key = nameOf(token)
    const known = remembered.get(key)
    if (known === undefined) return undefined
    if (now() < known.until && known.generation === keys.generation()) return known.verdict
    remembered.delete(key)
    return undefined
  }

  const remember = (token: string, caller: Extract<Caller, { readonly _tag: "User" }>): Verdict => {
    const verdict = { _tag: "Verified", caller } as const
    const until = Math.min(caller.expiresAt, now() + rememberedFor)
    const oldest = remembered.size < maximumRemembered ? undefined : remembered.keys().next().value
    if (oldest !== undefined) remembered.delete(oldest)
    remembered.set(nameOf(token), { verdict, until, generation: keys.generation() })
    return verdict
  }

  const verify = async (token: string): Promise<Verdict> => {
    try {
      const { payload } = await jwtVerify(token, keys.key, {
        issuer: rules.issuer,
        audience: rules.audience,
        algorithms: [...rules.algorithms],
        clockTolerance: leeway,
        requiredClaims: ["exp", "sub"],
        currentDate: new Date(now()),
      })
      const caller = callerOf(payload)
      return caller === undefined ? refused("The token's sub is no user of this service.") : remember(token, caller)
    } catch (fault) {
      return fault instanceof IssuerUnavailable ? { _tag: "Unknown" } : refused(reason(fault))
    }
  }

  return { recall, verify }
}

/** Tokens are secrets, so that their hashes are kept. */
const nameOf = (token: string): string => hash("sha256", token, "base64")

const refused = (why: string): Verdict => ({ _tag: "Refused", why })

const isUserId = Schema.is(UserId)

/** The end of the year 9999, the last moment that RFC 3339 can write; ms since the epoch. */
const latest = 253_402_300_799_999

const callerOf = ({ sub, exp = 0, ...claims }: JWTPayload): Extract<Caller, { readonly _tag: "User" }> | undefined => {
  if (!isUserId(sub)) return undefined
  const granted = new Set(grantedBy(claims))
  return {
    _tag: "User",
    userId: sub,
    operator: granted.has(scopes.operator),
    canFund: granted.has(scopes.fund),
    expiresAt: Math.min(exp * 1_000, latest),
  }
}

/** `scope` as RFC 9068 has it, words in one string; `scp`, an array, as other issuers write it. */
const grantedBy = (claims: Readonly<Record<string, unknown>>): ReadonlyArray<unknown> => {
  if (typeof claims["scope"] === "string") return claims["scope"].split(" ")
  return Array.isArray(claims["scp"]) ? claims["scp"] : []
}

/** Nothing of the token is in it. */
const reason = (fault: unknown): string => {
  if (fault instanceof errors.JWTExpired) return "The token has expired."
  if (fault instanceof errors.JWTClaimValidationFailed)
    return claimReasons[fault.claim] ?? "The token's claims do not fit."
  if (fault instanceof errors.JOSEAlgNotAllowed) return "The token's algorithm is not allowed."
  return "The token is not valid."
}

const claimReasons: Readonly<Record<string, string>> = {
  iss: "The token is of another issuer.",
  aud: "The token is for another audience.",
  nbf: "The token is not valid yet.",
  exp: "The token has no expiry.",
  sub: "The token's sub is no user of this service.",
}
