import { expect, it } from "@effect/vitest"
import * as KeySet from "@tandem/service-kit/auth/KeySet"
import * as TokenVerifier from "@tandem/service-kit/auth/TokenVerifier"
import { Effect } from "effect"
import { exportSPKI } from "jose"
import { issue, type Key, makeKey, tokenOf } from "./issuer.js"

const rules: TokenVerifier.TokenRules = {
  issuer: "https://issuer.test/",
  audience: "tandem",
  algorithms: ["RS256", "ES256", "EdDSA"],
}

/** A verifier with a clock that the test moves, in ms. */
const verifierOf = (url: URL, change: Partial<TokenVerifier.TokenRules> = {}) => {
  const clock = { ahead: 0 }
  const now = () => Date.now() + clock.ahead
  const keys = KeySet.make({ url, cooldown: 1_000, timeout: 200, now })
  const verifier = TokenVerifier.make({ ...rules, ...change }, keys, now)
  const verify = (token: string) =>
    Effect.suspend(() => {
      const known = verifier.recall(token)
      return known === undefined ? Effect.promise(() => verifier.verify(token)) : Effect.succeed(known)
    })
  return { verify, clock }
}

const setUp = (alg?: string) =>
  Effect.gen(function* () {
    const key = yield* makeKey("first", alg)
    const issuer = yield* issue(key)
    return { key, issuer, ...verifierOf(issuer.url) }
  })

const verified = (change: object = {}) => ({
  _tag: "Verified",
  caller: expect.objectContaining({ userId: "1", ...change }),
})
const refused = (why = /./) => ({ _tag: "Refused", why: expect.stringMatching(why) })

for (const alg of ["RS256", "ES256", "EdDSA"]) {
  it.scopedLive(`a good ${alg} token names its user`, () =>
    Effect.gen(function* () {
      const { key, verify } = yield* setUp(alg)
      expect(yield* verify(yield* tokenOf(key))).toMatchObject(verified({ operator: false, canFund: false }))
    }),
  )
}

it.scopedLive("scopes come as words of a string or as an array, and nothing else grants them", () =>
  Effect.gen(function* () {
    const { key, verify } = yield* setUp()
    const both = { operator: true, canFund: true }
    for (const [claims, granted] of [
      [{ scope: "operator accounts:fund" }, both],
      [{ scp: ["accounts:fund", "operator"] }, both],
      [{ scope: "accounts:fund" }, { operator: false, canFund: true }],
      [{ scope: "operators accounts:funding" }, { operator: false, canFund: false }],
      [{ scp: "operator" }, { operator: false }],
      [{ scope: ["operator"] }, { operator: false }],
      [{ scope: "none", scp: ["operator"] }, { operator: false }],
    ] satisfies ReadonlyArray<readonly [object, object]>) {
      expect(yield* verify(yield* tokenOf(key, claims))).toMatchObject(verified(granted))
    }
  }),
)

const seconds = () => Math.floor(Date.now() / 1_000)

/** Each is a good token but for one thing. */
const bad: Readonly<Record<string, (key: Key) => Effect.Effect<string>>> = {
  expired: (key) => tokenOf(key, { exp: seconds() - 60 }),
  "that never expires": (key) => tokenOf(key, { exp: undefined }),
  "not valid yet": (key) => tokenOf(key, { nbf: seconds() + 60 }),
  "of another issuer": (key) => tokenOf(key, { iss: "https://issuer.test" }),
  "of no issuer": (key) => tokenOf(key, { iss: undefined }),
  "for another audience": (key) => tokenOf(key, { aud: "others" }),
  "for no audience": (key) => tokenOf(key, { aud: undefined }),
  "without a sub": (key) => tokenOf(key, { sub: undefined }),
  "whose sub is no user": (key) => tokenOf(key, { sub: "me@shop.test" }),
  "signed by a stranger under a known kid": (key) =>
    Effect.flatMap(makeKey("first"), (stranger) => tokenOf(key, {}, {}, stranger.privateKey)),
  "that brings its own key": () =>
    Effect.flatMap(makeKey("mine"), (mine) => tokenOf(mine, {}, { kid: "first", jwk: mine.jwk })),
  "with an extension that is not understood": (key) =>
    Effect.map(tokenOf(key, {}), (token) => {
      const [, payload, signature] = token.split(".")
      const header = Buffer.from(JSON.stringify({ alg: "ES256", kid: "first", crit: ["odd"], odd: 1 }))
      return `${header.toString("base64url")}.${payload}.${signature}`
    }),
  "whose payload was changed": (key) =>
    Effect.map(tokenOf(key), (token) => {
      const [header, payload = "", signature] = token.split(".")
      const claims = JSON.parse(Buffer.from(payload, "base64url").toString())
      return `${header}.${Buffer.from(JSON.stringify({ ...claims, sub: "2" })).toString("base64url")}.${signature}`
    }),
  "that is not signed": (key) =>
    Effect.map(tokenOf(key), (token) => {
      const header = Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url")
      return `${header}.${token.split(".")[1]}.`
    }),
  "without its signature": (key) => Effect.map(tokenOf(key), (token) => `${token.split(".").slice(0, 2).join(".")}.`),
  "that is no token": () => Effect.succeed("aaaa.bbbb.cccc"),
}

for (const [name, make] of Object.entries(bad)) {
  it.scopedLive(`a token ${name} is refused`, () =>
    Effect.gen(function* () {
      const { key, verify } = yield* setUp()
      const token = yield* make(key)
      expect(yield* verify(token)).toEqual(refused())
      // Nor is it remembered as a good one.
      expect(yield* verify(token)).toEqual(refused())
    }),
  )
}

it.scopedLive("a key that the issuer publishes for an algorithm which is not allowed signs nothing", () =>
  Effect.gen(function* () {
    const key = yield* makeKey("first", "ES384")
    const issuer = yield* issue(key)
    const { verify } = verifierOf(issuer.url)
    expect(yield* verify(yield* tokenOf(key))).toEqual(refused(/algorithm/))
    expect(yield* verifierOf(issuer.url, { algorithms: ["ES384"] }).verify(yield* tokenOf(key))).toMatchObject(
      verified(),
    )
  }),
)

it.scopedLive("a public key is never taken for a shared secret", () =>
  Effect.gen(function* () {
    const key = yield* makeKey("first", "RS256")
    const pem = new TextEncoder().encode(yield* Effect.promise(() => exportSPKI(key.publicKey)))
    const token = yield* tokenOf(key, {}, { alg: "HS256" }, pem)
    const issuer = yield* issue(key)
    // Even where it is allowed by mistake, and where the issuer publishes the very bytes as a secret.
    const lax = ["RS256", "HS256"] as unknown as TokenVerifier.TokenRules["algorithms"]
    for (const published of [
      [key],
      [key, { jwk: { kty: "oct", kid: "first", k: Buffer.from(pem).toString("base64url") } }],
    ]) {
      issuer.keys = published
      expect(yield* verifierOf(issuer.url).verify(token)).toEqual(refused())
      expect(yield* verifierOf(issuer.url, { algorithms: lax }).verify(token)).toEqual(refused())
    }
  }),
)

it.scopedLive("a token that expires after all calendars counts until they end", () =>
  Effect.gen(function* () {
    const { key, verify } = yield* setUp()
    for (const exp of [1e15, 1e300]) {
      const verdict = yield* verify(yield* tokenOf(key, { exp }))
      expect(verdict).toMatchObject(verified({ expiresAt: Date.parse("9999-12-31T23:59:59.999Z") }))
    }
  }),
)

it.scopedLive("a token is remembered until it expires, and no longer", () =>
  Effect.gen(function* () {
    const { key, issuer, verify, clock } = yield* setUp()
    const token = yield* tokenOf(key, { exp: seconds() + 30 })
    expect(yield* verify(token)).toMatchObject(verified())
    issuer.fault = "down"
    expect(yield* verify(token)).toMatchObject(verified())
    clock.ahead = 40_000
    expect(yield* verify(token)).toEqual(refused(/expired/))
    expect(issuer.asked).toBe(1)
  }),
)

it.scopedLive("a new key counts without a restart, and one that is withdrawn counts no longer", () =>
  Effect.gen(function* () {
    const { key: first, issuer, verify, clock } = yield* setUp()
    const old = yield* tokenOf(first)
    expect(yield* verify(old)).toMatchObject(verified())
    const second = yield* makeKey("second")
    issuer.keys = [first, second]
    clock.ahead = 2_000
    expect(yield* verify(yield* tokenOf(second))).toMatchObject(verified())
    expect(yield* verify(old)).toMatchObject(verified())
    issuer.keys = [second]
    // The issuer is asked again within 10 minutes; what is remembered does not put that off.
    clock.ahead = 602_000 - 300_000
    const renewed = yield* tokenOf(first, { exp: seconds() + 9_000 })
    expect(yield* verify(renewed)).toMatchObject(verified())
    clock.ahead = 603_000
    expect(yield* verify(renewed)).toEqual(refused())
    expect(yield* verify(yield* tokenOf(second, { exp: seconds() + 9_000 }))).toMatchObject(verified())
  }),
)

it.scopedLive("what a withdrawn key has signed is not remembered once that is known", () =>
  Effect.gen(function* () {
    const { key: first, issuer, verify, clock } = yield* setUp()
    const old = yield* tokenOf(first)
    expect(yield* verify(old)).toMatchObject(verified())
    const second = yield* makeKey("second")
    issuer.keys = [second]
    clock.ahead = 2_000
    // Somebody's token names the new key, so that the issuer is asked.
    expect(yield* verify(yield* tokenOf(second))).toMatchObject(verified())
    expect(yield* verify(old)).toEqual(refused())
  }),
)

it.scopedLive("a flood of unknown keys asks the issuer once in a cooldown", () =>
  Effect.gen(function* () {
    const { key, issuer, verify, clock } = yield* setUp()
    yield* verify(yield* tokenOf(key))
    clock.ahead = 1_500
    const flood = yield* Effect.forEach(Array.from({ length: 50 }), (_, index) =>
      tokenOf(key, {}, { kid: `odd-${index}` }),
    )
    for (const verdict of yield* Effect.forEach(flood, verify, { concurrency: "unbounded" })) {
      expect(verdict).toEqual(refused())
    }
    expect(issuer.asked).toBe(2)
    clock.ahead = 3_000
    yield* Effect.forEach(flood, verify)
    expect(issuer.asked).toBe(3)
  }),
)

for (const fault of ["down", "500", "nonsense", "redirect", "silent", "endless"] as const) {
  it.scopedLive(`while the issuer is ${fault}, known keys count on, and of others nothing is said`, () =>
    Effect.gen(function* () {
      const { key, issuer, verify, clock } = yield* setUp()
      issuer.fault = fault
      expect(yield* verify(yield* tokenOf(key))).toEqual({ _tag: "Unknown" })
      // Nobody asks again at once.
      expect(yield* verify(yield* tokenOf(key))).toEqual({ _tag: "Unknown" })
      expect(issuer.asked).toBe(1)
      issuer.fault = undefined
      clock.ahead = 1_500
      expect(yield* verify(yield* tokenOf(key))).toMatchObject(verified())
      issuer.fault = fault
      clock.ahead = 700_000
      const late = { exp: seconds() + 9_000 }
      expect(yield* verify(yield* tokenOf(key, late))).toMatchObject(verified())
      const unknown = yield* tokenOf(yield* makeKey("second"), late)
      expect(yield* verify(unknown)).toEqual({ _tag: "Unknown" })
      expect(yield* verify(yield* tokenOf(key, { ...late, aud: "others" }))).toEqual(refused(/audience/))
    }),
  )
}

it.scopedLive("an issuer that forgets its keys for a moment locks nobody out", () =>
  Effect.gen(function* () {
    const { key, issuer, verify, clock } = yield* setUp()
    yield* verify(yield* tokenOf(key))
    issuer.keys = []
    clock.ahead = 700_000
    expect(yield* verify(yield* tokenOf(key, { exp: seconds() + 9_000 }))).toMatchObject(verified())
    expect(issuer.asked).toBe(2)
  }),
)
