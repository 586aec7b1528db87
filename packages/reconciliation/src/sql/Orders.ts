import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"
import { Effect } from "effect"
import type { OrderRecord } from "../domain/CompareOrder.js"
import type { Page } from "../domain/MergePages.js"
import type { CannotCheck, Snapshot } from "./Snapshot.js"

/** What is read of the order service's database. */
export const orderTables = ["orders", "notification_counters", "notifications", "outbox_events", "dead_letters"]

interface Row {
  readonly orderId: string
  readonly userId: string
  readonly amount: string
  readonly status: OrderStatus
  readonly reason: Reason | null
  readonly cancellationAsked: boolean
  readonly refundAsked: boolean
  readonly age: number
  readonly waiting: number
}

const fromRow = (row: Row): OrderRecord => ({ ...row, amount: Number(row.amount) })

const columns = ({ sql }: Snapshot) => sql`
  id AS "orderId", user_id AS "userId", amount, status, reason, cancel_asked_at IS NOT NULL AS "cancellationAsked",
  refund_asked_at IS NOT NULL AS "refundAsked", extract(epoch FROM now() - updated_at)::float8 * 1000 AS age,
  extract(epoch FROM now() - greatest(created_at, cancel_asked_at, refund_asked_at))::float8 * 1000 AS waiting`

/** The orders after an id, in its order. */
export const readOrders = (
  snapshot: Snapshot,
  after: string,
  limit: number,
): Effect.Effect<Page<OrderRecord>, CannotCheck> =>
  Effect.map(
    snapshot.read(snapshot.sql<Row>`
      SELECT ${columns(snapshot)} FROM orders WHERE id > ${after}::uuid ORDER BY id LIMIT ${limit}`),
    (rows) => ({ rows: rows.map(fromRow), complete: rows.length < limit }),
  )

/** These orders, by id. */
export const findOrders = (
  snapshot: Snapshot,
  ids: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, OrderRecord>, CannotCheck> =>
  Effect.map(
    snapshot.read(snapshot.sql<Row>`SELECT ${columns(snapshot)} FROM orders WHERE id = ANY(${[...ids]}::uuid[])`),
    (rows) => new Map(rows.map((row) => [row.orderId, fromRow(row)])),
  )
