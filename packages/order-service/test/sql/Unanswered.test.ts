import { SqlClient } from "@effect/sql"
import { expect, it } from "@effect/vitest"
import { nextId } from "@tandem/messaging/Ids"
import { transaction } from "@tandem/messaging/Transaction"
import { Duration, Effect, Fiber, Layer, Schedule } from "effect"
import * as Unanswered from "../../src/messages/Unanswered.js"
import { database } from "./database.js"

const timeout = Duration.seconds(1)

const insert = (
  fields: { readonly status?: string; readonly cancelReason?: string; readonly refundAsked?: boolean } = {},
) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const id = yield* nextId
    const { status = "NEW", cancelReason = null, refundAsked = false } = fields
    const settled = status === "NEW" ? null : new Date()
    yield* sql`
      INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at, settled_at, cancel_asked_at,
        cancel_reason, refund_asked_at)
      VALUES (${id}::uuid, 'u', 5, ${status}, 1, now(), now(), ${settled}, ${cancelReason === null ? null : new Date()},
        ${cancelReason}, ${refundAsked ? new Date() : null})`
    if (cancelReason !== null || refundAsked) {
      yield* sql`INSERT INTO order_asks (order_id, asked_at) VALUES (${id}::uuid, now())`
    }
    return id
  })

const requests = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly value: Buffer }>`SELECT value FROM outbox_events ORDER BY id`
  return rows.map(({ value }) => {
    const { id, type, data } = JSON.parse(value.toString())
    return { id, type, orderId: data.orderId, reason: data.reason }
  })
})

const until = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean) =>
  effect.pipe(
    Effect.repeat({ until: holds, schedule: Schedule.spaced("20 millis") }),
    Effect.zipRight(effect),
    Effect.timeout("30 seconds"),
  )

it.scopedLive(
  "an order without an answer asks for its own cancellation, and asks again under new ids until it has one",
  () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const waiting = yield* insert()
      yield* insert({ status: "FINISHED" })
      yield* Layer.build(Unanswered.layer(timeout))
      const asked = yield* until(requests, (all) => all.length >= 3)
      expect(new Set(asked.map(({ orderId }) => orderId))).toEqual(new Set([waiting]))
      expect(new Set(asked.map(({ type, reason }) => `${type} ${reason}`))).toEqual(
        new Set(["PaymentCancellationRequested PaymentTimeout"]),
      )
      expect(new Set(asked.map(({ id }) => id)).size).toBe(asked.length)
      const [order] =
        yield* sql`SELECT status, version, cancel_reason, updated_at > created_at AS moved FROM orders WHERE id = ${waiting}::uuid`
      expect(order).toEqual({ status: "NEW", version: 2, cancel_reason: "PaymentTimeout", moved: true })
      yield* sql`UPDATE orders SET status = 'CANCELLED', reason = 'PaymentTimeout', settled_at = now() WHERE id = ${waiting}::uuid`
      yield* until(sql`SELECT 1 FROM order_asks`, (rows) => rows.length === 0)
    }).pipe(Effect.provide(database)),
)

it.scopedLive("a cancellation and a refund that had no answer are asked again with their first reason", () =>
  Effect.gen(function* () {
    const cancelled = yield* insert({ cancelReason: "CancelledByUser" })
    const refunded = yield* insert({ status: "FINISHED", refundAsked: true })
    yield* Layer.build(Unanswered.layer(timeout))
    const asked = yield* until(requests, (all) => all.length >= 2)
    const said = new Map(asked.map(({ orderId, type, reason }) => [orderId, `${type} ${reason}`]))
    expect(said).toEqual(
      new Map([
        [cancelled, "PaymentCancellationRequested CancelledByUser"],
        [refunded, "RefundRequested RefundedByUser"],
      ]),
    )
  }).pipe(Effect.provide(database)),
)

it.scopedLive("two instances ask once each time, and what one works on is not passed over", () =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const ids = yield* Effect.replicateEffect(insert(), 250)
    // Somebody settles the first one just now: it is found when that has come to nothing.
    const settling = yield* Effect.fork(
      transaction(
        Effect.zipRight(
          sql`SELECT 1 FROM orders WHERE id = ${ids[0] ?? ""}::uuid FOR UPDATE`,
          Effect.sleep("2 seconds"),
        ),
      ),
    )
    yield* Layer.build(Layer.fresh(Unanswered.layer(timeout)))
    yield* Layer.build(Layer.fresh(Unanswered.layer(timeout)))
    yield* Fiber.join(settling)
    yield* until(sql`SELECT 1 FROM orders WHERE cancel_asked_at IS NOT NULL`, (rows) => rows.length === 250)
    const versions = yield* sql`SELECT DISTINCT version FROM orders`
    expect(versions).toEqual([{ version: 2 }])
    const first = new Set((yield* requests).map(({ orderId }) => orderId))
    expect(first.size).toBe(250)
  }).pipe(Effect.provide(database)),
)
