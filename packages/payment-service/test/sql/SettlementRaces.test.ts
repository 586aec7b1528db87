import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { Deferred, Effect, Fiber, FastCheck as fc } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { expect } from "vitest"
import type { Known } from "../../src/domain/Settlement.js"
import * as Settlement from "../../src/domain/Settlement.js"
import { lockAccounts } from "../../src/sql/Accounts.js"
import { readPayments } from "../../src/sql/Payments.js"
import { VersionConflict } from "../../src/sql/SettlePayments.js"
import { someoneWaits } from "../until.js"
import { balanced, database, imbalance } from "./database.js"
import { fund, settle, settleOnce } from "./ledger.js"

const users = ["a", "b", "c"]

/** Each payment has exactly the movements of money that its status says. */
const unfounded = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql`
    SELECT order_id, status, paid, refunded FROM payments LEFT JOIN (
      SELECT order_id, count(*) FILTER (WHERE kind = 'payment') AS paid, count(*) FILTER (WHERE kind = 'refund') AS refunded
      FROM transfers WHERE order_id IS NOT NULL GROUP BY order_id
    ) AS moved USING (order_id)
    WHERE coalesce(paid, 0) <> CASE WHEN status IN ('SUCCEEDED', 'REFUNDED') THEN 1 ELSE 0 END
      OR coalesce(refunded, 0) <> CASE WHEN status = 'REFUNDED' THEN 1 ELSE 0 END`
})

const orderId = (n: number) => `01936f4e-8f2a-7c3b-9d4e-${String(n).padStart(12, "0")}`
const order = (n: number) => ({ orderId: orderId(n), userId: users[n % 3] ?? "a", amount: 10 + n })
const makers = [
  (n: number) => new PaymentRequested(order(n)),
  (n: number) => new PaymentRequested(order(n)),
  (n: number) => new PaymentCancellationRequested({ ...order(n), reason: "CancelledByUser" }),
  (n: number) => new RefundRequested({ ...order(n), reason: "RefundedByUser" }),
]
const batches = fc.array(
  fc.array(
    fc.tuple(fc.nat(11), fc.constantFrom(...makers)).map(([n, make]): PaymentRequest => make(n)),
    { minLength: 1, maxLength: 12 },
  ),
  { minLength: 1, maxLength: 6 },
)

const stored = Effect.all({
  accounts: lockAccounts(users),
  payments: readPayments(Array.from({ length: 12 }, (_, n) => orderId(n))),
})

describe("settlements that race", () => {
  it.scopedLive("write what the fold decides, batch after batch", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const sequence of fc.sample(batches, { numRuns: 15, seed: 7 })) {
        yield* sql`TRUNCATE accounts, payments, transfers`
        yield* fund("a", 40)
        yield* fund("b", 25)
        for (const batch of sequence) {
          if (!isNonEmptyArray(batch)) continue
          const before: Known = yield* stored
          const expected = Settlement.settle(before, batch)
          expect((yield* settle(batch)).results).toEqual(expected.results)
          const { accounts, payments } = yield* stored
          for (const { after } of expected.accounts) expect(accounts.get(after.userId)).toEqual(after)
          for (const { after } of expected.payments) expect(payments.get(after.orderId)).toEqual(after)
        }
        expect(yield* imbalance).toEqual(balanced)
        expect(yield* unfounded).toEqual([])
      }
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive(
    "decide each order once, though two consumers settle the same commands while accounts are topped up",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        for (const sequence of fc.sample(batches, { numRuns: 8, seed: 11 })) {
          yield* sql`TRUNCATE accounts, payments, transfers`
          yield* Effect.forEach(users, (user) => fund(user, 20), { discard: true })
          const consumer = Effect.forEach(
            sequence,
            (batch) => (isNonEmptyArray(batch) ? Effect.asVoid(settle(batch)) : Effect.void),
            {
              discard: true,
            },
          )
          const topUps = Effect.forEach(Array.from({ length: 12 }), (_, n) => fund(users[n % 3] ?? "a", 1), {
            discard: true,
          })
          yield* Effect.all([consumer, consumer, topUps], { concurrency: 3 })
          expect(yield* imbalance).toEqual(balanced)
          expect(yield* unfounded).toEqual([])
        }
      }).pipe(Effect.provide(database)),
  )

  it.scopedLive("give the money back once, though two ask for it at the same time and neither waits to read", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const order = { orderId: yield* nextId, userId: "a", amount: 60 }
      yield* settleOnce([new PaymentRequested(order)])
      const decided = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const first = yield* Effect.fork(
        transaction(
          settleOnce([new RefundRequested({ ...order, reason: "RefundedByUser" })]).pipe(
            Effect.zipLeft(Deferred.succeed(decided, undefined)),
            Effect.zipLeft(Deferred.await(commit)),
          ),
        ),
      )
      yield* Deferred.await(decided)
      const cancel = new PaymentCancellationRequested({ ...order, reason: "PaymentTimeout" })
      const second = yield* Effect.fork(Effect.flip(settleOnce([cancel])))
      yield* someoneWaits
      yield* Deferred.succeed(commit, undefined)
      const { results } = yield* Fiber.join(first)
      expect(yield* Fiber.join(second)).toEqual(new VersionConflict({ accounts: 1, unmoved: 0 }))
      const again = yield* settleOnce([cancel], 1)
      expect([again.results, again.transfers]).toEqual([results, []])
      expect(yield* imbalance).toEqual(balanced)
      expect(yield* unfounded).toEqual([])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("need no third try after a conflict with a consumer of the same order", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const one = new PaymentRequested({ orderId: yield* nextId, userId: "a", amount: 60 })
      const decided = yield* Deferred.make<void>()
      const commit = yield* Deferred.make<void>()
      const other = yield* Effect.fork(
        transaction(
          settleOnce([one]).pipe(
            Effect.zipLeft(Deferred.succeed(decided, undefined)),
            Effect.zipLeft(Deferred.await(commit)),
          ),
        ),
      )
      yield* Deferred.await(decided)
      const second = yield* Effect.fork(settleOnce([one], 1))
      yield* someoneWaits
      yield* Deferred.succeed(commit, undefined)
      const { results } = yield* Fiber.join(other)
      const again = yield* Fiber.join(second)
      expect(again.results).toEqual(results)
      expect(again.transfers).toEqual([])
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )
})
