import { expect, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { expectProblem } from "./expectProblem.js"
import { type Ask, ask, page, Sample, serve } from "./server.js"

const command = "/parcels?userId=1&amount=500"
const post = (headers: Record<string, string>): Ask => ({ method: "POST", headers })

layer(Sample.layer, { excludeTestServices: true })("the gate against other people's pages", (it) => {
  it.effect("a POST without Origin, from the service's own or from a listed one is let in", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      for (const headers of [
        {},
        { origin: `http://127.0.0.1:${port}` },
        { origin: page },
        { host: `localhost:${port}`, origin: `http://localhost:${port}` },
      ]) {
        expect((yield* ask(port, command, post(headers))).status).toBe(201)
      }
    }),
  )

  it.effect("a POST from anywhere else is 403, and so is one of no known origin", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      for (const origin of [
        "http://evil.test",
        "null",
        "",
        `http://127.0.0.1:${port + 1}`,
        `http://localhost:${port}`,
        `${page}.evil.test`,
        "http://shop.test",
        "https://shop.test:8080",
      ]) {
        expectProblem(yield* ask(port, command, post({ origin })), "forbidden")
      }
      expectProblem(
        yield* ask(port, "/parcels", { method: "DELETE", headers: { origin: "http://evil.test" } }),
        "forbidden",
      )
    }),
  )

  it.effect("on loopback a Host that is no loopback name is 403, for reading too", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      for (const host of [
        "evil.test",
        `evil.test:${port}`,
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "0.0.0.0",
        "[::2]",
      ]) {
        expectProblem(yield* ask(port, "/plain", { headers: { host } }), "forbidden")
      }
      for (const host of ["127.0.0.1", `127.0.0.1:${port}`, "LOCALHOST:1", "[::1]:8080"]) {
        expect((yield* ask(port, "/plain", { headers: { host } })).status).toBe(200)
      }
    }),
  )

  it.effect("a listed page may read answers, problems included, and nobody else may", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      for (const path of ["/plain", "/nowhere"]) {
        const listed = yield* ask(port, path, { headers: { origin: page } })
        expect(listed.headers).toMatchObject({
          "access-control-allow-origin": page,
          "access-control-expose-headers": expect.stringContaining(
            "Idempotent-Replayed, WWW-Authenticate, RateLimit, RateLimit-Policy",
          ),
          vary: "Origin",
        })
        for (const headers of [{}, { origin: "http://evil.test" }]) {
          const other = yield* ask(port, path, { headers })
          expect(other.headers).not.toHaveProperty("access-control-allow-origin")
          expect(other.headers).toMatchObject({ vary: "Origin" })
        }
      }
    }),
  )

  it.effect("a preflight of a listed page is granted what the page needs, any other nothing", () =>
    Effect.gen(function* () {
      const { port } = yield* Sample
      const preflight = (origin: string): Ask => ({
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
      })
      const granted = yield* ask(port, command, preflight(page))
      expect([granted.status, granted.text]).toEqual([204, ""])
      expect(granted.headers).toMatchObject({
        "access-control-allow-origin": page,
        "access-control-allow-methods": "GET, HEAD, POST",
        vary: "Origin",
      })
      expect(granted.headers["access-control-allow-headers"]).toMatch(/Content-Type, Idempotency-Key/)
      const denied = yield* ask(port, command, preflight("http://evil.test"))
      expect(Object.keys(denied.headers).filter((name) => name.startsWith("access-control"))).toEqual([])
    }),
  )
})

it.scopedLive("a service that others reach is called by any name", () =>
  Effect.gen(function* () {
    const { port } = yield* serve({ host: "0.0.0.0" })
    expect((yield* ask(port, "/plain", { headers: { host: "orders.example:8080" } })).status).toBe(200)
    expectProblem(yield* ask(port, command, post({ host: "orders.example", origin: "http://evil.test" })), "forbidden")
  }),
)
