import { SqlClient } from "@effect/sql"
import { PaymentSucceeded } from "@tandem/contracts/messages/PaymentSucceeded"
import { nextId } from "@tandem/messaging/Ids"
import * as Inbox from "@tandem/messaging/Inbox"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { transaction } from "@tandem/messaging/Transaction"
import { orderSchema } from "@tandem/order-service/sql/migrations/orders"
import { pushSchema } from "@tandem/order-service/sql/migrations/push"
import { Notifications } from "@tandem/order-service/sql/Notifications"
import { settleResults } from "@tandem/order-service/sql/SettleResults"
import * as Database from "@tandem/service-kit/Database"
import { HealthChecks } from "@tandem/service-kit/Health"
import { Effect, Layer, Redacted } from "effect"
import { isNonEmptyArray } from "effect/Array"
import { inChunks, withoutIndexes } from "./withoutIndexes.js"

/** The most messages of a partition that the consumer takes at once. */
const batchSize = 500

/** The order service's side of its database. */
export const layer = (url: string) =>
  Notifications.layer.pipe(
    Layer.provideMerge(
      Database.layer({ url: Redacted.make(url), applicationName: "bench" }, [messagingSchema, orderSchema, pushSchema]),
    ),
    Layer.provide(HealthChecks.layer),
  )

/** So many finished orders of the past with their notifications, as 30 days would have left them, of as many users as `users` says. */
export const fillOrders = (orders: number, users: number) =>
  withoutIndexes(
    ["orders", "notifications", "notification_counters"],
    Effect.gen(function* () {
      const sql = yield* Database.Maintenance
      const whole = orders - (orders % users)
      yield* sql`
        INSERT INTO notification_counters (user_id, seq)
        SELECT 'past-' || n, ${whole / users}::bigint FROM generate_series(0, ${users}::bigint - 1) AS n`
      yield* inChunks(
        whole,
        (from, to) => sql`
          WITH past AS (
            SELECT 'past-' || n % ${users}::bigint AS user_id, n / ${users}::bigint + 1 AS seq,
              uuidv7(interval '-30 days' + n * interval '30 days' / ${whole}::float8) AS id,
              now() + interval '-30 days' + n * interval '30 days' / ${whole}::float8 AS at
            FROM generate_series(${from}::bigint, ${to}::bigint) AS n
          ), told AS (
            INSERT INTO notifications (user_id, seq, order_id, amount, status, at)
            SELECT user_id, seq, id, 1, 'FINISHED', at FROM past
          )
          INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at, settled_at)
          SELECT id, user_id, 1, 'FINISHED', 2, at, at, at FROM past`,
      )
      // A service that had run for these days would have looked at all of them.
      yield* sql`UPDATE first_answers SET below = uuidv7(interval '-1 minute')`
    }),
  )

const makeBatch = (users: number) =>
  Effect.gen(function* () {
    const results: Array<PaymentSucceeded> = []
    const ids: Array<string> = []
    for (let n = 0; n < batchSize; n++) {
      const order = { orderId: yield* nextId, userId: `user-${n % users}`, amount: 1, balanceAfter: 1 }
      results.push(new PaymentSucceeded(order, { disableValidation: true }))
      ids.push(yield* nextId)
    }
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at)
      SELECT id, user_id, 1, 'NEW', 1, now(), now()
      FROM unnest(${results.map(({ orderId }) => orderId)}::uuid[], ${results.map(({ userId }) => userId)}::text[])
        AS placed (id, user_id)`
    return { results, ids }
  })

/** Orders a second that payment results settle, inbox and notifications included, one batch of new orders after the other. */
export const settleOrders = (users: number, batches: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`TRUNCATE outbox_events, inbox_events`
    const prepared = yield* Effect.forEach(Array.from({ length: batches }), () => makeBatch(users))
    const start = performance.now()
    for (const { results, ids } of prepared) {
      if (!isNonEmptyArray(results)) continue
      yield* transaction(
        Effect.zipRight(
          Inbox.admit("order-service", ids),
          Effect.map(settleResults(results, { lock: false }), ({ frames }) => frames),
        ),
      ).pipe(
        Effect.filterOrDieMessage((frames) => frames.length === batchSize, "not all orders of a batch were settled"),
      )
    }
    return (batches * batchSize) / ((performance.now() - start) / 1_000)
  }).pipe(Effect.withTracerEnabled(false))
