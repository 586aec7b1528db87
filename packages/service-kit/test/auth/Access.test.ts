import { expect, it, layer } from "@effect/vitest"
import type { AuthOptions } from "@tandem/service-kit/auth/Access"
import { Context, Effect, Layer } from "effect"
import { expectProblem } from "../expectProblem.js"
import { ask, converse, page, serve } from "../server.js"
import { issue, makeKey, tokenOf } from "./issuer.js"

const guarded = "/parcels?userId=9"

const tokensOf = (jwksUrl: URL): AuthOptions => ({
  _tag: "Tokens",
  jwksUrl,
  issuer: "https://issuer.test/",
  audience: "tandem",
  algorithms: ["ES256"],
})

/** A service that asks who calls, and the issuer that it believes. */
class Guarded extends Context.Tag("Guarded")<Guarded, Effect.Effect.Success<typeof start>>() {
  static readonly layer = Layer.scoped(
    Guarded,
    Effect.suspend(() => start),
  )
}

const start = Effect.gen(function* () {
  const key = yield* makeKey("first")
  const issuer = yield* issue(key)
  const { port } = yield* serve({ auth: tokensOf(issuer.url) })
  const get = (path: string, authorization?: string, headers: Record<string, string> = {}) =>
    ask(port, path, { headers: authorization === undefined ? headers : { ...headers, authorization } })
  return { key, issuer, port, get }
})

layer(Guarded.layer, { excludeTestServices: true })("a service that asks who calls", (it) => {
  it.effect("lets a good token in, the scheme in any case, and tells the handler who it is", () =>
    Effect.gen(function* () {
      const { key, get } = yield* Guarded
      const token = yield* tokenOf(key, { sub: "7" })
      for (const scheme of ["Bearer", "bearer", "BEARER", "bEaReR  "]) {
        const { status, text } = yield* get(guarded, `${scheme} ${token}`)
        expect([status, JSON.parse(text)]).toEqual([200, { userId: "7" }])
      }
    }),
  )

  it.effect("tells who sends no token that one is wanted, and no more (RFC 6750, 3.1)", () =>
    Effect.gen(function* () {
      const { key, get } = yield* Guarded
      const token = yield* tokenOf(key)
      for (const authorization of [undefined, "", "Bearer", "Bearer ", token, `Basic ${token}`, `Bearer${token}`]) {
        const answer = yield* get(guarded, authorization)
        expectProblem(answer, "unauthorized")
        expect(answer.headers["www-authenticate"]).toBe('Bearer realm="tandem"')
      }
      for (const odd of [`Bearer ${token} ${token}`, `Bearer ${token},${token}`, `Bearer "${token}"`]) {
        expectProblem(yield* get(guarded, odd), "unauthorized")
      }
    }),
  )

  it.effect("tells who sends a bad token why, with nothing of the token", () =>
    Effect.gen(function* () {
      const { key, get } = yield* Guarded
      const answer = yield* get(guarded, `Bearer ${yield* tokenOf(key, { exp: 1 })}`)
      expectProblem(answer, "unauthorized")
      expect(answer.headers["www-authenticate"]).toBe('Bearer realm="tandem", error="invalid_token"')
      expect(JSON.parse(answer.text)).toMatchObject({ detail: "The token has expired." })
    }),
  )

  it.effect("guards every endpoint of its API, however its path is written, before it looks at the rest", () =>
    Effect.gen(function* () {
      const { port, get } = yield* Guarded
      for (const path of ["/parcels", "/parcels?limit=x", "/parcels/", "/faults/gone", "/%70arcels", "/parcels;x"]) {
        expectProblem(yield* get(path), "unauthorized")
      }
      // These reach none.
      for (const path of ["/PARCELS", "//parcels"]) expectProblem(yield* get(path), "not-found")
      expect((yield* ask(port, "/parcels", { method: "HEAD" })).status).toBe(401)
      for (const headers of [{}, { "content-type": "text/plain" }, { "content-length": "3" }]) {
        expectProblem(yield* ask(port, "/parcels", { method: "POST", headers, body: "{{{" }), "unauthorized")
      }
      expectProblem(yield* ask(port, "/parcels/1/label", { method: "PUT" }), "unauthorized")
    }),
  )

  it.effect("asks nobody for his body before it is known that he may send it", () =>
    Effect.gen(function* () {
      const { key, port } = yield* Guarded
      const body = JSON.stringify({ userId: "1", amount: 5 })
      const head = (authorization: string) =>
        `POST /parcels HTTP/1.1\r\nHost: 127.0.0.1\r\n${authorization}Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n`
      const refused = yield* converse(port, `${head("")}\r\n`)
      expect(refused).toMatch(/^HTTP\/1\.1 401 /)
      expect(refused).toContain("connection: close")
      expect(refused).not.toContain("100 Continue")
      const token = yield* tokenOf(key, { sub: "continues" })
      const sent = yield* converse(
        port,
        `${head(`Authorization: Bearer ${token}\r\n`)}Connection: close\r\n\r\n${body}`,
      )
      expect(sent).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /)
    }),
  )

  it.effect("believes no token of two", () =>
    Effect.gen(function* () {
      const { key, port } = yield* Guarded
      const token = yield* tokenOf(key)
      const twice = `Authorization: Bearer ${token}\r\nauthorization: Bearer ${token}\r\n`
      const answer = yield* converse(
        port,
        `GET ${guarded} HTTP/1.1\r\nHost: 127.0.0.1\r\n${twice}Connection: close\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 401 /)
    }),
  )

  it.effect("leaves open what is nobody's: health, metrics, documents, pages, and what is not there", () =>
    Effect.gen(function* () {
      const { port, get } = yield* Guarded
      for (const path of ["/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/plain"]) {
        expect((yield* get(path)).status).toBe(200)
      }
      expectProblem(yield* get("/nowhere"), "not-found")
      expectProblem(yield* ask(port, "/parcels", { method: "DELETE" }), "method-not-allowed")
      const preflight = { origin: page, "access-control-request-method": "POST" }
      expect((yield* ask(port, "/parcels", { method: "OPTIONS", headers: preflight })).status).toBe(204)
    }),
  )

  it.effect("answers no request of a route that asks for the caller and is not guarded", () =>
    Effect.gen(function* () {
      const { key, get } = yield* Guarded
      expectProblem(yield* get("/plain/caller", `Bearer ${yield* tokenOf(key)}`), "internal-error")
    }),
  )

  it.effect("leaves a direct route that is no endpoint of its API to the router", () =>
    Effect.gen(function* () {
      const { key, port } = yield* Guarded
      const headers = { authorization: `Bearer ${yield* tokenOf(key)}` }
      expect((yield* ask(port, "/express?userId=1&amount=5", { method: "POST", headers })).text).toBe("router")
    }),
  )

  it.effect("lets a listed page read why it was refused", () =>
    Effect.gen(function* () {
      const { get } = yield* Guarded
      const { headers } = yield* get(guarded, undefined, { origin: page })
      expect(headers).toMatchObject({ "access-control-allow-origin": page })
      expect(headers["access-control-expose-headers"]).toContain("WWW-Authenticate")
    }),
  )

  it.effect("serves on when a client goes while its token is verified", () =>
    Effect.gen(function* () {
      const { key, port, get } = yield* Guarded
      const token = yield* tokenOf(key, { sub: "gone" })
      yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.race(
          converse(port, `GET ${guarded} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`),
          Effect.sleep("1 millis"),
        ),
      )
      expect((yield* get(guarded, `Bearer ${token}`)).status).toBe(200)
    }),
  )
})

it.scopedLive("while nobody knows whether a token is good, the answer is 503 and never yes or no", () =>
  Effect.gen(function* () {
    const key = yield* makeKey("first")
    const issuer = yield* issue(key)
    issuer.fault = "down"
    const { port } = yield* serve({ auth: tokensOf(issuer.url) })
    const headers = { authorization: `Bearer ${yield* tokenOf(key)}` }
    const answer = yield* ask(port, guarded, { headers })
    expectProblem(answer, "service-unavailable")
    expect(answer.headers["retry-after"]).toBe("1")
    expectProblem(yield* ask(port, guarded), "unauthorized")
    expect((yield* ask(port, "/health/live")).status).toBe(200)
  }),
)

it.scopedLive("who calls too often is told to wait, by user and by address, before his body is looked at", () =>
  Effect.gen(function* () {
    const key = yield* makeKey("first")
    const issuer = yield* issue(key)
    const { port } = yield* serve({ auth: tokensOf(issuer.url), rateLimit: 2 })
    const bearer = (sub: string) => Effect.map(tokenOf(key, { sub }), (token) => ({ authorization: `Bearer ${token}` }))
    const one = yield* bearer("1")
    const two = yield* bearer("2")
    const first = yield* ask(port, guarded, { headers: one })
    expect(first.status).toBe(200)
    expect(first.headers["ratelimit-policy"]).toBe('"default";q=2;w=1')
    expect(first.headers["ratelimit"]).toMatch(/^"default";r=[0-1];t=1$/)
    const burst = (headers: Record<string, string>) =>
      Effect.forEach(
        Array.from({ length: 40 }),
        () =>
          ask(port, guarded, {
            method: "POST",
            headers: { ...headers, "content-type": "application/json" },
            body: "{{{",
          }),
        { concurrency: 8 },
      )
    const refused = (yield* burst(one)).filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(10)
    for (const answer of refused) {
      expectProblem(answer, "too-many-requests")
      expect(answer.headers).toMatchObject({ "retry-after": "1", ratelimit: '"default";r=0;t=1' })
    }
    // The address has spent one on each first token, and the other user is not held up.
    expect((yield* ask(port, guarded, { headers: two })).status).toBe(200)
    const strangers = yield* burst({})
    expect(strangers.filter(({ status }) => status === 429).length).toBeGreaterThan(10)
    expect((yield* ask(port, "/health/live")).status).toBe(200)
    expect((yield* ask(port, "/metrics")).status).toBe(200)
  }),
)

it.scopedLive("without a limit nothing is counted, and no header says so", () =>
  Effect.gen(function* () {
    const { port } = yield* serve()
    expect(Object.keys((yield* ask(port, guarded)).headers).filter((name) => name.startsWith("ratelimit"))).toEqual([])
  }),
)
