import { describe, it } from "@effect/vitest"
import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import { nextId } from "@tandem/messaging/Ids"
import { Effect } from "effect"
import { expect } from "vitest"
import { fund, settle } from "../sql/ledger.js"
import { type Answer, ask, service } from "./server.js"

const moment = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/)

const expectProblem = ({ status, headers, body }: Answer, expected: number, kind: string) => {
  expect([status, body["type"]]).toEqual([expected, `urn:tandem:problem:${kind}`])
  expect(headers.get("content-type")).toBe("application/problem+json")
}

const items = ({ body }: Answer): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  Array.isArray(body["items"]) ? body["items"] : []

describe("GET /accounts/{userId}/transfers", () => {
  it.scopedLive("shows every movement, newest first, as the account's owner sees it", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const order = { orderId: yield* nextId, userId: "a", amount: 60 }
      yield* settle([new PaymentRequested(order)])
      yield* settle([new RefundRequested({ ...order, reason: "RefundedByUser" })])
      yield* fund("b", 7)
      const answer = yield* ask("GET", "/accounts/a/transfers")
      expect(answer.status).toBe(200)
      const { orderId } = order
      expect(answer.body).toEqual({
        items: [
          { id: uuid, kind: "refund", direction: "credit", amount: 60, balanceAfter: 100, orderId, at: moment },
          { id: uuid, kind: "payment", direction: "debit", amount: 60, balanceAfter: 40, orderId, at: moment },
          { id: uuid, kind: "topup", direction: "credit", amount: 100, balanceAfter: 100, orderId: null, at: moment },
        ],
        next: null,
      })
    }).pipe(Effect.provide(service)),
  )

  it.scopedLive("is paged by a cursor that neither repeats nor hides a line, whatever comes meanwhile", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 7; n++) yield* fund("a", 1)
      const balances: Array<unknown> = []
      let path = "/accounts/a/transfers?limit=3"
      for (let page = 0; page < 3; page++) {
        const answer = yield* ask("GET", path)
        balances.push(items(answer).map((item) => item["balanceAfter"]))
        path = `/accounts/a/transfers?limit=3&cursor=${answer.body["next"]}`
        expect([page, answer.body["next"] === null]).toEqual([page, page === 2])
        yield* fund("a", 1)
      }
      expect(balances).toEqual([[7, 6, 5], [4, 3, 2], [1]])
      expect(items(yield* ask("GET", "/accounts/a/transfers?cursor="))).toHaveLength(10)
    }).pipe(Effect.provide(service)),
  )

  it.scopedLive("refuses a limit or a cursor that is none, and knows no account that is not there", () =>
    Effect.gen(function* () {
      yield* fund("a", 1)
      const refused = ["limit=0", "limit=201", "limit=+1", "limit=1&limit=2", "cursor=x", "cursor=bzox", "cursor=dDow"]
      for (const query of refused) {
        const answer = yield* ask("GET", `/accounts/a/transfers?${query}`)
        expectProblem(answer, 400, "invalid-request")
        expect([query, answer.body["errors"]]).toMatchObject([query, [{ parameter: query.split("=")[0] }]])
      }
      for (const user of ["nobody", "a%20b", `${"x".repeat(65)}`, "%00"]) {
        expectProblem(yield* ask("GET", `/accounts/${user}/transfers`), 404, "account-not-found")
      }
    }).pipe(Effect.provide(service)),
  )
})

describe("GET /payments/{orderId}", () => {
  it.scopedLive("shows what was decided, whichever way", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const ids = yield* Effect.replicateEffect(nextId, 5)
      const [paid = "", poor = "", cancelled = "", refunded = "", unknown = ""] = ids
      const of = (orderId: string, amount: number, userId = "a") => ({ orderId, userId, amount })
      yield* settle([
        new PaymentRequested(of(paid, 60)),
        new PaymentRequested(of(poor, 1_000)),
        new PaymentCancellationRequested({ ...of(cancelled, 3), reason: "PaymentTimeout" }),
        new PaymentRequested(of(refunded, 4)),
        new RefundRequested({ ...of(refunded, 4), reason: "RefundedByUser" }),
        new PaymentRequested(of(unknown, 5, "nobody")),
      ])
      const expected = [
        [of(paid, 60), "SUCCEEDED", null],
        [of(poor, 1_000), "DECLINED", "InsufficientFunds"],
        [of(cancelled, 3), "CANCELLED", "PaymentTimeout"],
        [of(refunded, 4), "REFUNDED", "RefundedByUser"],
        [of(unknown, 5, "nobody"), "DECLINED", "AccountNotFound"],
      ] as const
      for (const [order, status, reason] of expected) {
        const answer = yield* ask("GET", `/payments/${order.orderId}`)
        expect(answer.status).toBe(200)
        expect(answer.body).toEqual({ ...order, status, reason, decidedAt: moment, updatedAt: moment })
      }
    }).pipe(Effect.provide(service)),
  )

  it.scopedLive("is 404 for an order of which nothing is known, and for an id that no order can have", () =>
    Effect.gen(function* () {
      for (const id of [yield* nextId, "1", "%00", "01936F4E-8F2A-7C3B-9D4E-5F6071829304"]) {
        expectProblem(yield* ask("GET", `/payments/${id}`), 404, "payment-not-found")
      }
    }).pipe(Effect.provide(service)),
  )
})

describe("the description of it", () => {
  it.scopedLive("lists every call", () =>
    Effect.gen(function* () {
      const { body } = yield* ask("GET", "/openapi.json")
      const paths = Object.entries(Object(body["paths"])).map(([path, item]) => [
        path,
        Object.keys(Object(item)).sort(),
      ])
      expect(paths).toEqual([
        ["/accounts", ["post"]],
        ["/accounts/{userId}", ["get"]],
        ["/accounts/{userId}/transfers", ["get"]],
        ["/payments/{orderId}", ["get"]],
        ["/health/live", ["get"]],
        ["/health/ready", ["get"]],
        ["/metrics", ["get"]],
      ])
    }).pipe(Effect.provide(service)),
  )
})
