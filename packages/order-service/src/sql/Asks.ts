import { SqlClient, type SqlError } from "@effect/sql"
import type { Order } from "@tandem/contracts/http/OrdersApi"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { type MessageTooLarge, Outbox } from "@tandem/messaging/Outbox"
import { Clock, Effect, Option } from "effect"
import type { Asking } from "../domain/OrderCommands.js"
import type { OrderState } from "../domain/OrderSaga.js"
import * as Orders from "./Orders.js"

/** What became of asking, and the order as it is now. */
export interface Asked {
  readonly asking: Asking
  readonly order: Order
}

/** How a request becomes a message. */
export type Encode = (request: PaymentRequest) => Effect.Effect<OutgoingMessage>

interface AskRow extends Orders.OrderRow {
  readonly cancellationAsked: boolean
  readonly cancelReason: OrderState["cancelReason"]
  readonly refundAsked: boolean
}

const stateOf = (row: AskRow): OrderState => ({
  id: row.id,
  userId: row.userId,
  amount: Number(row.amount),
  status: row.status,
  reason: row.reason,
  version: row.version,
  cancellationAsked: row.cancellationAsked,
  cancelReason: row.cancelReason,
  refundAsked: row.refundAsked,
})

const askColumns = (sql: SqlClient.SqlClient) =>
  sql`${Orders.columns(sql)}, cancel_asked_at IS NOT NULL AS "cancellationAsked", cancel_reason AS "cancelReason",
    refund_asked_at IS NOT NULL AS "refundAsked"`

/**
 * Decides about one order under its lock and, when the payment service is to be asked, writes the request beside the order, inside the
 * caller's transaction. None when there is no such order, or it is not `owner`'s, if one is given.
 */
export const ask = (
  orderId: string,
  decide: (order: OrderState) => Asking,
  encode: Encode,
  owner?: string,
): Effect.Effect<Option.Option<Asked>, SqlError.SqlError | MessageTooLarge, SqlClient.SqlClient | Outbox> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<AskRow>`
      SELECT ${askColumns(sql)} FROM orders WHERE id = ${orderId}::uuid ${Orders.ownedBy(sql, owner)} FOR NO KEY UPDATE`
    const row = rows[0]
    if (row === undefined) return Option.none()
    const asking = decide(stateOf(row))
    if (asking._tag !== "Asked") return Option.some({ asking, order: Orders.fromRow(row) })
    return Option.some({ asking, order: yield* write(asking, encode) })
  })

const write = ({ request, after }: Extract<Asking, { readonly _tag: "Asked" }>, encode: Encode) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const at = new Date(yield* Clock.currentTimeMillis).toISOString()
    const message = yield* outbox.cte([yield* encode(request)])
    const rows = yield* sql<AskRow>`
      WITH ${message},
      asked AS (
        INSERT INTO order_asks (order_id, asked_at) VALUES (${after.id}::uuid, ${at}::timestamptz)
        ON CONFLICT (order_id) DO UPDATE SET asked_at = excluded.asked_at
      )
      UPDATE orders SET
        version = ${after.version},
        updated_at = CASE version WHEN ${after.version} THEN updated_at ELSE greatest(updated_at, ${at}::timestamptz) END,
        cancel_reason = ${after.cancelReason},
        cancel_asked_at = CASE WHEN ${after.cancellationAsked} THEN coalesce(cancel_asked_at, ${at}::timestamptz) END,
        refund_asked_at = CASE WHEN ${after.refundAsked} THEN coalesce(refund_asked_at, ${at}::timestamptz) END
      WHERE id = ${after.id}::uuid
      RETURNING ${askColumns(sql)}`
    const row = rows[0]
    return row === undefined ? yield* Effect.dieMessage("an order vanished under its lock") : Orders.fromRow(row)
  })

/** Orders that wait for an answer since before `cutoff` (RFC 3339), oldest first, locked; those that somebody else works on are left out. */
export const unanswered = (cutoff: string, limit: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly id: string }>`
      SELECT order_id AS id FROM order_asks WHERE asked_at < ${cutoff}::timestamptz
      ORDER BY asked_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`
    return rows.map((row) => row.id)
  })

/** The orders have their answers. */
export const answered = (orderIds: ReadonlyArray<string>) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`DELETE FROM order_asks WHERE order_id = ANY(${[...orderIds]}::uuid[])`,
  )
