import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentDeclined } from "@tandem/contracts/messages/PaymentDeclined"
import { PaymentRefunded } from "@tandem/contracts/messages/PaymentRefunded"
import { PaymentSucceeded } from "@tandem/contracts/messages/PaymentSucceeded"
import type { PaymentResult } from "@tandem/contracts/messages/Topics"
import { nextId } from "@tandem/messaging/Ids"
import * as Inbox from "@tandem/messaging/Inbox"
import { Outbox } from "@tandem/messaging/Outbox"
import { Effect, Option } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { expect } from "vitest"
import { askCancellation, askPayment } from "../../src/domain/OrderCommands.js"
import { encodeRequest } from "../../src/messages/Unanswered.js"
import * as Asks from "../../src/sql/Asks.js"
import { createOrders } from "../../src/sql/CreateOrders.js"
import { settleInOneStatement } from "../../src/sql/SettleResults.js"
import { database } from "./database.js"

const place = (userId: string, amount: number) =>
  Effect.gen(function* () {
    const id = yield* nextId
    const request = yield* encodeRequest(askPayment({ id, userId, amount }))
    yield* createOrders([{ id, userId, amount, createdAt: "2026-01-01T00:00:00.000Z", request }])
    return { orderId: id, userId, amount }
  })

const settle = (...results: NonEmptyReadonlyArray<PaymentResult>) =>
  Effect.gen(function* () {
    const ids = yield* Effect.forEach(results, () => nextId)
    return yield* settleInOneStatement(results, Inbox.entry(yield* SqlClient.SqlClient, "order-service", ids))
  })

const statuses = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ user_id: string; status: string; version: number }>`
    SELECT user_id, status, version FROM orders ORDER BY user_id`
  return rows.map(({ user_id, status, version }) => `${user_id} ${status} ${version}`)
})

const succeeded = (order: { readonly orderId: string; readonly userId: string; readonly amount: number }) =>
  new PaymentSucceeded({ ...order, balanceAfter: 0 })

describe("settling results in one statement", () => {
  it.scopedLive("gives orders that are as they were placed their end", () =>
    Effect.gen(function* () {
      const [paid, declined] = [yield* place("a", 5), yield* place("b", 6)]
      const frames = yield* settle(succeeded(paid), new PaymentDeclined({ ...declined, reason: "InsufficientFunds" }))
      expect(Option.getOrThrow(frames)).toMatchObject([
        { seq: 1, ...paid, status: "FINISHED", reason: null },
        { seq: 1, ...declined, status: "CANCELLED", reason: "InsufficientFunds" },
      ])
      expect(yield* statuses).toEqual(["a FINISHED 2", "b CANCELLED 2"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("finds out which orders are not: asked to be cancelled, settled, another's, or none at all", () =>
    Effect.gen(function* () {
      const order = yield* place("a", 5)
      const asked = yield* place("b", 5)
      const ended = yield* place("c", 5)
      yield* Outbox.transaction(
        Asks.ask(asked.orderId, (state) => askCancellation(state, "CancelledByUser"), encodeRequest),
      )
      yield* settle(succeeded(ended))
      const unknown = { ...order, orderId: yield* nextId }
      for (const result of [
        succeeded(asked),
        new PaymentDeclined({ ...ended, reason: "InsufficientFunds" }),
        succeeded({ ...order, userId: "z" }),
        succeeded({ ...order, amount: 6 }),
        succeeded(unknown),
      ]) {
        expect(yield* settle(result)).toEqual(Option.none())
      }
      expect(yield* statuses).toEqual(["a NEW 1", "b NEW 2", "c FINISHED 2"])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("settles the others of a batch with such an order", () =>
    Effect.gen(function* () {
      const [order, ended] = [yield* place("a", 5), yield* place("b", 5)]
      yield* settle(succeeded(ended))
      const frames = yield* settle(succeeded(order), succeeded(ended))
      expect(Option.getOrThrow(frames)).toMatchObject([{ ...order, status: "FINISHED" }])
      const refunded = yield* settle(new PaymentRefunded({ ...ended, reason: "RefundedByUser" }))
      expect(Option.getOrThrow(refunded)).toMatchObject([{ seq: 2, ...ended, status: "REFUNDED" }])
      expect(yield* statuses).toEqual(["a FINISHED 2", "b REFUNDED 3"])
    }).pipe(Effect.provide(database)),
  )
})
