import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { Deferred, Effect, Fiber } from "effect"
import { expect } from "vitest"
import { someoneWaits } from "../until.js"
import { balanced, database, imbalance } from "./database.js"
import { fund, settleOnce as settle } from "./ledger.js"

const request = (userId: string, amount: number) =>
  Effect.map(nextId, (orderId) => new PaymentRequested({ orderId, userId, amount }))

const tags = ({ results }: { readonly results: ReadonlyArray<{ readonly _tag: string }> }) =>
  results.map((result) => result._tag)

describe("settling payments in the database", () => {
  it.scopedLive("writes decisions, balances and ledger so that they agree", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fund("a", 100)
      yield* fund("b", 5)
      const [one, two, three] = yield* Effect.all([request("a", 60), request("b", 6), request("c", 1)])
      expect(tags(yield* settle([one, two, three]))).toEqual(["PaymentSucceeded", "PaymentDeclined", "PaymentDeclined"])
      const refund = new RefundRequested({ orderId: one.orderId, userId: "a", amount: 60, reason: "RefundedByUser" })
      expect(tags(yield* settle([refund]))).toEqual(["PaymentRefunded"])
      expect(yield* sql`SELECT status FROM payments ORDER BY order_id`).toEqual([
        { status: "REFUNDED" },
        { status: "DECLINED" },
        { status: "DECLINED" },
      ])
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("changes nothing when a batch comes again, and gives the same answers", () =>
    Effect.gen(function* () {
      yield* fund("a", 100)
      const [one, two] = yield* Effect.all([request("a", 60), request("a", 60)])
      const first = yield* settle([one, two])
      yield* fund("a", 100)
      const again = yield* settle([one, two])
      expect(again.results).toEqual(first.results)
      expect(again.transfers).toEqual([])
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive(
    "never reconsiders a decline: not after a top-up, not when it comes again, not beside other commands",
    () =>
      Effect.gen(function* () {
        yield* fund("a", 10)
        const poor = yield* request("a", 60)
        const nobody = yield* request("b", 1)
        const first = yield* settle([poor, nobody])
        expect(tags(first)).toEqual(["PaymentDeclined", "PaymentDeclined"])
        const [ofPoor, ofNobody] = first.results
        yield* fund("a", 1_000)
        yield* fund("b", 1_000)
        const { orderId, userId, amount } = poor
        const cancel = new PaymentCancellationRequested({ orderId, userId, amount, reason: "CancelledByUser" })
        const refund = new RefundRequested({ orderId, userId, amount, reason: "RefundedByUser" })
        for (const attempt of [0, 1]) {
          const mates = yield* Effect.all([request("a", 1), request("b", 1)])
          const batch = [mates[0], poor, cancel, mates[1], nobody, refund, poor] as const
          const again = yield* settle([...batch], attempt)
          const declined = again.results.filter(({ orderId }) => orderId === poor.orderId || orderId === nobody.orderId)
          expect(declined).toEqual([ofPoor, ofPoor, ofNobody, ofPoor, ofPoor])
          expect(again.transfers.map((line) => line.orderId)).toEqual(mates.map((mate) => mate.orderId))
        }
        expect(yield* imbalance).toEqual(balanced)
      }).pipe(Effect.provide(database)),
  )

  it.scopedLive("fails as a whole when an account changed between its reading and its writing", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* fund("a", 100)
      const one = yield* request("a", 60)
      // A top-up that comes between: another transaction holds the row until the settlement has read it.
      const locked = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      const between = yield* Effect.fork(
        transaction(
          fund("a", 1).pipe(
            Effect.zipRight(Deferred.succeed(locked, undefined)),
            Effect.zipRight(Deferred.await(finish)),
          ),
        ),
      )
      yield* Deferred.await(locked)
      const settling = yield* Effect.fork(Effect.flip(settle([one])))
      yield* someoneWaits
      yield* Deferred.succeed(finish, undefined)
      yield* Fiber.join(between)
      expect((yield* Fiber.join(settling))._tag).toBe("VersionConflict")
      expect(yield* sql`SELECT * FROM payments`).toEqual([])
      expect(tags(yield* settle([one], 1))).toEqual(["PaymentSucceeded"])
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("is right after any number of conflicts, when top-ups and settlements race on one account", () =>
    Effect.gen(function* () {
      yield* fund("a", 1)
      const orders = yield* Effect.all(Array.from({ length: 60 }, () => request("a", 1)))
      const settling = Effect.forEach(
        orders,
        (order) => settle([order]).pipe(Effect.catchAll(() => Effect.retry(settle([order], 1), { times: 50 }))),
        { concurrency: 4 },
      )
      const funding = Effect.forEach(orders, () => fund("a", 1), { concurrency: 4 })
      const [settled] = yield* Effect.all([settling, funding], { concurrency: 2 })
      expect(settled).toHaveLength(60)
      expect(yield* imbalance).toEqual(balanced)
    }).pipe(Effect.provide(database)),
  )
})
