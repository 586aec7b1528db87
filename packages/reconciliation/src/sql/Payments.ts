import type { Reason } from "@tandem/contracts/OrderStatus"
import { Effect } from "effect"
import type { PaymentRecord, PaymentStatus } from "../domain/CompareOrder.js"
import type { Page } from "../domain/MergePages.js"
import type { CannotCheck, Snapshot } from "./Snapshot.js"

/** What is read of the payment service's database. */
export const paymentTables = ["payments", "accounts", "transfers", "outbox_events", "dead_letters"]

interface Row {
  readonly orderId: string
  readonly userId: string
  readonly amount: string
  readonly status: PaymentStatus
  readonly reason: Reason | null
  readonly age: number
}

const fromRow = (row: Row): PaymentRecord => ({ ...row, amount: Number(row.amount) })

const columns = ({ sql }: Snapshot) => sql`
  order_id AS "orderId", user_id AS "userId", amount, status, reason,
  extract(epoch FROM now() - updated_at)::float8 * 1000 AS age`

/** The decisions about orders after an id, in its order. */
export const readPayments = (
  snapshot: Snapshot,
  after: string,
  limit: number,
): Effect.Effect<Page<PaymentRecord>, CannotCheck> =>
  Effect.map(
    snapshot.read(snapshot.sql<Row>`
      SELECT ${columns(snapshot)} FROM payments WHERE order_id > ${after}::uuid ORDER BY order_id LIMIT ${limit}`),
    (rows) => ({ rows: rows.map(fromRow), complete: rows.length < limit }),
  )

/** The decisions about these orders, by the order's id. */
export const findPayments = (
  snapshot: Snapshot,
  orderIds: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, PaymentRecord>, CannotCheck> =>
  Effect.map(
    snapshot.read(snapshot.sql<Row>`
      SELECT ${columns(snapshot)} FROM payments WHERE order_id = ANY(${[...orderIds]}::uuid[])`),
    (rows) => new Map(rows.map((row) => [row.orderId, fromRow(row)])),
  )
