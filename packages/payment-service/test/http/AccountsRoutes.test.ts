import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { expect } from "vitest"
import { balanced, imbalance } from "../sql/database.js"
import { fund } from "../sql/ledger.js"
import { type Answer, ask, service } from "./server.js"

const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const longest = "x".repeat(64)

const expectProblem = ({ status, headers, body }: Answer, expected: number, kind: string) => {
  expect([status, body["type"]]).toEqual([expected, `urn:tandem:problem:${kind}`])
  expect(headers.get("content-type")).toBe("application/problem+json")
  expect(body["status"]).toBe(expected)
}

/** How often money was moved. */
const written = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ n: number }>`
    SELECT ((SELECT count(*) FROM accounts) + (SELECT count(*) FROM transfers))::integer AS n`
  return rows[0]?.n
})

/** A command as it is sent, what is said of it, and the places that the problem names. */
const refused: ReadonlyArray<
  readonly [name: string, query: string, json: unknown, kind: string, places: ReadonlyArray<string>]
> = [
  ["amount 0", "?userId=1&amount=0", undefined, "invalid-request", ["amount"]],
  ["amount -1", "?userId=1&amount=-1", undefined, "invalid-request", ["amount"]],
  ["amount 1.5", "?userId=1&amount=1.5", undefined, "invalid-request", ["amount"]],
  ["amount abc", "?userId=1&amount=abc", undefined, "invalid-request", ["amount"]],
  ["amount missing", "?userId=1", undefined, "invalid-request", ["amount"]],
  ["amount empty", "?userId=1&amount=", undefined, "invalid-request", ["amount"]],
  ["amount 007", "?userId=1&amount=007", undefined, "invalid-request", ["amount"]],
  ["amount 1e2", "?userId=1&amount=1e2", undefined, "invalid-request", ["amount"]],
  ["amount +5", "?userId=1&amount=%2B5", undefined, "invalid-request", ["amount"]],
  ["amount above the most", "?userId=1&amount=1000000000001", undefined, "invalid-request", ["amount"]],
  ["userId empty", "?userId=&amount=5", undefined, "invalid-request", ["userId"]],
  ["userId missing", "?amount=5", undefined, "invalid-request", ["userId"]],
  ["userId too long", `?userId=${longest}x&amount=5`, undefined, "invalid-request", ["userId"]],
  ["userId of other characters", "?userId=a%20b&amount=5", undefined, "invalid-request", ["userId"]],
  ["a repeated parameter", "?userId=1&amount=5&amount=5", undefined, "invalid-request", ["amount"]],
  ["nothing at all", "", undefined, "invalid-request", ["userId", "amount"]],
  ["JSON amount 0", "", { userId: "1", amount: 0 }, "invalid-request", ["/amount"]],
  ["JSON amount 1.5", "", { userId: "1", amount: 1.5 }, "invalid-request", ["/amount"]],
  ["JSON amount as text", "", { userId: "1", amount: "5" }, "invalid-request", ["/amount"]],
  ["JSON amount missing", "", { userId: "1" }, "invalid-request", ["/amount"]],
  ["JSON userId as a number", "", { userId: 1, amount: 5 }, "invalid-request", ["/userId"]],
  ["JSON userId empty", "", { userId: "", amount: 5 }, "invalid-request", ["/userId"]],
  ["JSON with an unknown field", "", { userId: "1", amount: 5, note: "x" }, "invalid-request", [""]],
  ["JSON that is no object", "", [1], "invalid-request", [""]],
  ["query and JSON that differ", "?userId=1&amount=5", { userId: "1", amount: 6 }, "invalid-request", ["amount"]],
  ["broken JSON", "", '{"userId":"1"', "malformed-json", []],
]

describe("POST /accounts", () => {
  it.scopedLive("makes an account with the first top-up, 201, and adds the next, 200", () =>
    Effect.gen(function* () {
      const first = yield* ask("POST", "/accounts?userId=1&amount=1000")
      expect([first.status, first.headers.get("location")]).toEqual([201, "/accounts/1"])
      expect(first.body).toEqual({
        userId: "1",
        balance: 1000,
        version: 1,
        createdAt: expect.stringMatching(moment),
        updatedAt: expect.stringMatching(moment),
      })
      const second = yield* ask("POST", "/accounts", { userId: "1", amount: 500 })
      expect([second.status, second.headers.get("location")]).toEqual([200, null])
      expect(second.body).toMatchObject({ balance: 1500, version: 2, createdAt: first.body["createdAt"] })
      const both = yield* ask("POST", "/accounts?userId=1&amount=1", { userId: "1", amount: 1 })
      expect([both.status, both.body["balance"]]).toEqual([200, 1501])
      expect((yield* ask("GET", "/accounts/1")).body).toEqual(both.body)
    }).pipe(Effect.provide(service)),
  )

  it.scopedLive("takes the longest user and the largest amount", () =>
    Effect.gen(function* () {
      const { status, body } = yield* ask("POST", `/accounts?userId=${longest}&amount=1000000000000`)
      expect([status, body["balance"]]).toEqual([201, 1_000_000_000_000])
    }).pipe(Effect.provide(service)),
  )

  it.scopedLive("refuses bad input with a problem that names it, and writes nothing", () =>
    Effect.gen(function* () {
      for (const [name, query, json, kind, places] of refused) {
        const answer = yield* ask("POST", `/accounts${query}`, json)
        expectProblem(answer, 400, kind)
        const errors = answer.body["errors"]
        const named = Array.isArray(errors) ? errors.map((error) => error.parameter ?? error.pointer) : []
        expect([name, ...named]).toEqual([name, ...places])
        expect([name, yield* written]).toEqual([name, 0])
      }
      expectProblem(
        yield* ask("POST", "/accounts", "userId=1&amount=5", "application/x-www-form-urlencoded"),
        415,
        "unsupported-media-type",
      )
      expect(yield* written).toBe(0)
    }).pipe(Effect.provide(service)),
  )

  it.scopedLive("refuses what would pass the funding limit, and nothing of those who come at the same time", () =>
    Effect.gen(function* () {
      const most = Number.MAX_SAFE_INTEGER
      yield* fund("full", most)
      const users = Array.from({ length: 120 }, (_, n) => (n % 4 === 0 ? "full" : `u${n % 4}`))
      const answers = yield* Effect.forEach(users, (user) => ask("POST", `/accounts?userId=${user}&amount=2`), {
        concurrency: 32,
      })
      answers.forEach((answer, n) => {
        if (users[n] === "full") expectProblem(answer, 422, "funding-limit-exceeded")
      })
      for (const user of ["u1", "u2", "u3"]) {
        const own = answers.filter((_, n) => users[n] === user)
        expect(own.filter(({ status }) => status === 201)).toHaveLength(1)
        expect(own.filter(({ status }) => status === 200)).toHaveLength(29)
        // Each is told the account right after its own top-up, so no two are told the same.
        const told = own
          .map(({ body }) => [body["version"], body["balance"]])
          .toSorted((a, b) => Number(a[0]) - Number(b[0]))
        expect(told).toEqual(Array.from({ length: 30 }, (_, n) => [n + 1, 2 * (n + 1)]))
      }
      expect((yield* ask("GET", "/accounts/full")).body).toMatchObject({ balance: most, version: 1 })
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(service)),
  )
})

describe("GET /accounts/{userId}", () => {
  it.scopedLive("is 404 for a user without an account, and for an id that no user can have", () =>
    Effect.gen(function* () {
      for (const id of ["2", "a%20b", `${longest}x`, "%00", "1'--", "%F0%9F%92%B8"]) {
        expectProblem(yield* ask("GET", `/accounts/${id}`), 404, "account-not-found")
      }
    }).pipe(Effect.provide(service)),
  )
})
