import { SqlClient } from "@effect/sql"
import { describe, it } from "@effect/vitest"
import { PaymentDeclined } from "@tandem/contracts/messages/PaymentDeclined"
import { PaymentRefunded } from "@tandem/contracts/messages/PaymentRefunded"
import { PaymentSucceeded } from "@tandem/contracts/messages/PaymentSucceeded"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { Effect, Option } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { expect } from "vitest"
import { createOrders, type NewOrder } from "../../src/sql/CreateOrders.js"
import { findOrder, listOrders } from "../../src/sql/Orders.js"
import { settleResults } from "../../src/sql/SettleResults.js"
import { database } from "./database.js"

const newOrder = (userId = "1", amount = 5) =>
  Effect.map(
    nextId,
    (id): NewOrder => ({
      id,
      userId,
      amount,
      createdAt: "2026-01-01T00:00:00.000Z",
      request: { topic: "payment-requests", key: userId, value: Buffer.from(id), headers: {} },
    }),
  )

const place = (count: number) =>
  Effect.gen(function* () {
    const orders = yield* Effect.all(Array.from({ length: count }, () => newOrder()))
    if (isNonEmptyArray(orders)) yield* createOrders(orders)
    return orders.map((order) => ({ orderId: order.id, userId: order.userId, amount: order.amount }))
  })

const status = (id: string) =>
  Effect.map(
    findOrder(id),
    Option.map((order) => [order.status, order.reason, order.version]),
  )

describe("orders in the database", () => {
  it.scopedLive("are written with their payment requests, all or none", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* place(3)
      const good = yield* newOrder()
      const bad = yield* newOrder("1", 0)
      yield* Effect.flip(createOrders([good, bad]))
      const counts = yield* sql<{ orders: number; requests: number }>`
        SELECT (SELECT count(*)::int FROM orders) AS orders, (SELECT count(*)::int FROM outbox_events) AS requests`
      expect(counts).toEqual([{ orders: 3, requests: 3 }])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("are settled with status, history and a numbered notification in one transaction", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [one, two] = yield* place(2)
      if (one === undefined || two === undefined) return
      const paid = new PaymentSucceeded({ ...one, balanceAfter: 0 })
      const declined = new PaymentDeclined({ ...two, reason: "InsufficientFunds" })
      const refunded = new PaymentRefunded({ ...one, reason: "RefundedByUser" })
      const { frames } = yield* transaction(settleResults([paid, declined, refunded], { lock: false }))
      expect(frames.map((frame) => [frame.seq, frame.orderId, frame.status, frame.reason])).toEqual([
        [1, one.orderId, "FINISHED", null],
        [2, two.orderId, "CANCELLED", "InsufficientFunds"],
        [3, one.orderId, "REFUNDED", "RefundedByUser"],
      ])
      expect(yield* status(one.orderId)).toEqual(Option.some(["REFUNDED", "RefundedByUser", 3]))
      expect(yield* status(two.orderId)).toEqual(Option.some(["CANCELLED", "InsufficientFunds", 2]))
      const history =
        yield* sql`SELECT settled_at IS NOT NULL AS settled, refunded_at IS NOT NULL AS refunded FROM orders ORDER BY id`
      expect(history).toEqual([
        { settled: true, refunded: true },
        { settled: true, refunded: false },
      ])
      const again = yield* transaction(settleResults([paid, declined], { lock: true }))
      expect(again).toEqual({ frames: [], impossible: [] })
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("fail as a whole when one of them changed meanwhile", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [one, two] = yield* place(2)
      if (one === undefined || two === undefined) return
      yield* sql`CREATE FUNCTION intrude() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`
      yield* sql`CREATE TRIGGER intrude BEFORE UPDATE ON orders FOR EACH ROW WHEN (OLD.id = ${sql.unsafe(`'${two.orderId}'`)}) EXECUTE FUNCTION intrude()`
      const results = [one, two].map((order) => new PaymentSucceeded({ ...order, balanceAfter: 0 }))
      if (!isNonEmptyArray(results)) return
      const fault = yield* Effect.flip(transaction(settleResults(results, { lock: false })))
      expect(fault._tag).toBe("VersionConflict")
      expect(yield* status(one.orderId)).toEqual(Option.some(["NEW", null, 1]))
      expect(yield* sql`SELECT 1 FROM notifications`).toEqual([])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("are listed newest first, with nothing repeated or hidden while others are placed", () =>
    Effect.gen(function* () {
      const placed = yield* place(5)
      const first = yield* listOrders({ userId: "1", limit: 2 })
      yield* place(3)
      const rest = yield* listOrders({ userId: "1", limit: 10, before: first.at(-1)?.id ?? "" })
      expect([...first, ...rest].map((order) => order.id)).toEqual(placed.map((order) => order.orderId).reverse())
      expect(yield* listOrders({ userId: "1", status: "FINISHED", limit: 10 })).toEqual([])
      expect(yield* listOrders({ userId: "2", limit: 10 })).toEqual([])
    }).pipe(Effect.provide(database)),
  )

  it.scopedLive("cannot be in a state without its history, by psql either", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* place(1)
      for (const change of [
        sql`UPDATE orders SET status = 'FINISHED'`,
        sql`UPDATE orders SET status = 'CANCELLED', settled_at = now()`,
        sql`UPDATE orders SET status = 'LOST'`,
        sql`UPDATE orders SET amount = 0`,
      ]) {
        expect((yield* Effect.flip(change))._tag).toBe("SqlError")
      }
    }).pipe(Effect.provide(database)),
  )
})
