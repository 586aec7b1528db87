import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import type { OutgoingMessage } from "@tandem/messaging/Message"
import { type MessageTooLarge, Outbox } from "@tandem/messaging/Outbox"
import { Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { firstVersion } from "../domain/OrderSaga.js"

/** An order to be written, and the request for its payment. */
export interface NewOrder {
  readonly id: string
  readonly userId: string
  readonly amount: number
  /** RFC 3339, UTC. */
  readonly createdAt: string
  readonly request: OutgoingMessage
}

/**
 * Writes orders, all NEW, and their payment requests in one statement, which is a transaction unless it stands in one: all are there or
 * none. `beside` is a data-modifying piece of `WITH` that shares their fate. The relay wants a signal once they are committed.
 */
export const createOrders = (
  orders: NonEmptyReadonlyArray<NewOrder>,
  beside?: Statement.Fragment,
): Effect.Effect<void, SqlError.SqlError | MessageTooLarge, SqlClient.SqlClient | Outbox> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const outbox = yield* Outbox
    const requests = yield* outbox.cte(orders.map((order) => order.request))
    yield* sql`
      WITH ${beside === undefined ? requests : sql`${requests}, ${beside}`}
      INSERT INTO orders (id, user_id, amount, status, version, created_at, updated_at)
      SELECT id, user_id, amount, 'NEW', ${firstVersion}::integer, created_at, created_at
      FROM unnest(
        ${orders.map((order) => order.id)}::uuid[],
        ${orders.map((order) => order.userId)}::text[],
        ${orders.map((order) => order.amount)}::bigint[],
        ${orders.map((order) => order.createdAt)}::timestamptz[]
      ) AS new_order (id, user_id, amount, created_at)`
  })
