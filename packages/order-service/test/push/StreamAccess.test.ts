import { randomBytes } from "node:crypto"
import { SqlClient } from "@effect/sql"
import { describe, expect, it } from "@effect/vitest"
import { startIssuer, type TokenClaims } from "@tandem/dev-stack/LocalIssuer"
import type { AuthOptions } from "@tandem/service-kit/auth/Access"
import { Effect } from "effect"
import { WebSocket } from "ws"
import { hashOf, issue } from "../../src/sql/PushTickets.js"
import { database } from "../sql/database.js"
import { DatabaseLink, linkedDatabase } from "./DatabaseLink.js"
import { handshake, listen, speak, startHub, until } from "./hub.js"

/** A hub that asks who listens, and the issuer that it believes. */
const guardedHub = Effect.gen(function* () {
  const issuer = yield* Effect.acquireRelease(Effect.promise(startIssuer), ({ stop }) => Effect.sync(stop))
  const auth: AuthOptions = {
    _tag: "Tokens",
    jwksUrl: new URL(issuer.env.AUTH_JWKS_URL),
    issuer: issuer.env.AUTH_ISSUER,
    audience: issuer.env.AUTH_AUDIENCE,
    algorithms: ["ES256"],
  }
  const { port } = yield* startHub({ auth })
  return { port, token: (claims: TokenClaims) => Effect.promise(() => issuer.token(claims)) }
})

const ticketOf = (userId: string, change: { readonly operator?: boolean; readonly expiresIn?: number } = {}) =>
  Effect.gen(function* () {
    const ticket = randomBytes(32).toString("base64url")
    const expiresAt = Date.now() + (change.expiresIn ?? 600_000)
    yield* issue(hashOf(ticket), { userId, operator: change.operator ?? false, expiresAt })
    return ticket
  })

/** A hub that nobody can ask about tokens. */
const orphanedHub = startHub({
  auth: {
    _tag: "Tokens",
    // The discard port, where nothing listens.
    jwksUrl: new URL("http://127.0.0.1:9/jwks.json"),
    issuer: "nobody",
    audience: "tandem",
    algorithms: ["ES256"],
  },
})

/** The status of an upgrade, 101 when it succeeds, and its problem's type. */
const upgrade = (port: number, query: string, headers: Record<string, string> = {}) =>
  Effect.async<readonly [number, string?]>((resume) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?${query}`, { headers })
    socket.on("error", () => undefined)
    socket.on("message", (text) => {
      socket.terminate()
      resume(Effect.succeed([101, String(JSON.parse(String(text)).userId)]))
    })
    socket.on("unexpected-response", (_request, response) => {
      let text = ""
      response.on("data", (part) => (text += part))
      response.on("end", () =>
        resume(Effect.succeed([response.statusCode ?? 0, String(JSON.parse(text).type).replace(/.*:/, "")])),
      )
    })
    return Effect.sync(() => socket.terminate())
  })

describe("who may listen", () => {
  it.scopedLive("a ticket opens one stream of its user, once", () =>
    Effect.gen(function* () {
      const { port } = yield* guardedHub
      const ticket = yield* ticketOf("1")
      expect(yield* upgrade(port, `userId=1&ticket=${ticket}`)).toEqual([101, "1"])
      expect(yield* upgrade(port, `userId=1&ticket=${ticket}`)).toEqual([401, "unauthorized"])
      expect(yield* upgrade(port, `ticket=${yield* ticketOf("7")}`)).toEqual([101, "7"])
      const raced = yield* ticketOf("1")
      const opened = yield* Effect.all(
        Array.from({ length: 8 }, () => upgrade(port, `ticket=${raced}`)),
        { concurrency: "unbounded" },
      )
      expect(opened.map(([status]) => status).sort()).toEqual([101, ...Array.from({ length: 7 }, () => 401)])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("somebody else's stream is not there, but for an operator", () =>
    Effect.gen(function* () {
      const { port, token } = yield* guardedHub
      expect(yield* upgrade(port, `userId=2&ticket=${yield* ticketOf("1")}`)).toEqual([404, "not-found"])
      expect(yield* upgrade(port, `userId=2&ticket=${yield* ticketOf("9", { operator: true })}`)).toEqual([101, "2"])
      const bearer = (claims: TokenClaims) => Effect.map(token(claims), (text) => ({ authorization: `Bearer ${text}` }))
      expect(yield* upgrade(port, "userId=2", yield* bearer({ sub: "2" }))).toEqual([101, "2"])
      expect(yield* upgrade(port, "userId=2", yield* bearer({ sub: "1" }))).toEqual([404, "not-found"])
      expect(yield* upgrade(port, "userId=2", yield* bearer({ sub: "1", scope: "operator" }))).toEqual([101, "2"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("without a ticket or a token that is good now, nobody listens", () =>
    Effect.gen(function* () {
      const { port, token } = yield* guardedHub
      const sql = yield* SqlClient.SqlClient
      const late = yield* ticketOf("1")
      yield* sql`UPDATE push_tickets SET expires_at = clock_timestamp() - interval '1 ms'`
      const stale = yield* ticketOf("1", { expiresIn: -1 })
      const good = yield* ticketOf("1")
      for (const query of [
        "userId=1",
        "",
        "userId=1&ticket=",
        "ticket=x",
        `ticket=${late}`,
        `ticket=${stale}`,
        `ticket=${good}x`,
      ]) {
        expect(yield* upgrade(port, query)).toEqual([401, "unauthorized"])
      }
      const authorization = `Bearer ${yield* token({ sub: "1", expiresIn: -60 })}`
      expect(yield* upgrade(port, "userId=1", { authorization })).toEqual([401, "unauthorized"])
      expect(yield* upgrade(port, `userId=*&ticket=${good}`)).toEqual([400, "invalid-request"])
      expect(yield* upgrade(port, `ticket=${good}&ticket=${good}`)).toEqual([400, "invalid-request"])
      expect(yield* upgrade(port, `ticket=${good}`)).toEqual([101, "1"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("while the issuer is away, a ticket still lets in, and of a token nothing is said", () =>
    Effect.gen(function* () {
      const { port } = yield* orphanedHub
      const sql = yield* SqlClient.SqlClient
      const { token } = yield* guardedHub
      const good = yield* token({ sub: "1" })
      const { end } = speak(port, [...handshake(port, "/ws?userId=1"), `Authorization: Bearer ${good}`])
      yield* until(() => end.closed)
      expect(end.answer).toContain("HTTP/1.1 503")
      expect(end.answer).toMatch(/^retry-after: 1\r$/im)
      expect(yield* upgrade(port, `ticket=${yield* ticketOf("1")}`)).toEqual([101, "1"])
      yield* sql`ALTER TABLE push_tickets RENAME TO away`
      expect(yield* upgrade(port, "ticket=x")).toEqual([500, "internal-error"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("while the database is away, nothing is said of a ticket, and it counts afterwards", () =>
    Effect.gen(function* () {
      const link = yield* DatabaseLink
      const { port } = yield* guardedHub
      const ticket = yield* link.elsewhere(ticketOf("1"))
      link.cut()
      expect(yield* upgrade(port, `ticket=${ticket}`)).toEqual([503, "service-unavailable"])
      link.restore()
      expect(yield* Effect.repeat(upgrade(port, `ticket=${ticket}`), { until: ([status]) => status !== 503 })).toEqual([
        101,
        "1",
      ])
    }).pipe(Effect.provide(linkedDatabase)),
  )

  it.scopedLive("where nobody is asked who he is, a user must be named and no ticket is looked at", () =>
    Effect.gen(function* () {
      const { port } = yield* startHub()
      expect(yield* upgrade(port, "userId=1&ticket=x")).toEqual([101, "1"])
      expect(yield* upgrade(port, "ticket=x")).toEqual([400, "invalid-request"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("a stream ends with 4401 when the token that opened it expires, and others go on", () =>
    Effect.gen(function* () {
      const { port } = yield* guardedHub
      const short = listen(port, `ticket=${yield* ticketOf("1", { expiresIn: 3_000 })}`)
      const long = listen(port, `ticket=${yield* ticketOf("1")}`)
      yield* until(() => short.frames.length === 1 && long.frames.length === 1)
      yield* until(() => short.end.code !== undefined)
      expect(short.end.code).toBe(4401)
      expect(long.end.code).toBeUndefined()
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("what is kept of a ticket opens nothing, and old ones are cleared away", () =>
    Effect.gen(function* () {
      const { port } = yield* guardedHub
      const sql = yield* SqlClient.SqlClient
      const ticket = yield* ticketOf("1")
      const [row] = yield* sql<{ hash: Uint8Array }>`SELECT hash FROM push_tickets`
      for (const encoding of ["hex", "base64url"] as const) {
        const kept = Buffer.from(row?.hash ?? []).toString(encoding)
        expect(yield* upgrade(port, `ticket=${kept}`)).toEqual([401, "unauthorized"])
      }
      yield* sql`UPDATE push_tickets SET expires_at = clock_timestamp()`
      yield* ticketOf("2")
      expect(yield* sql`SELECT user_id AS "userId" FROM push_tickets`).toEqual([{ userId: "2" }])
      expect(yield* upgrade(port, `ticket=${ticket}`)).toEqual([401, "unauthorized"])
    }).pipe(Effect.provide(database)),
  )
})
