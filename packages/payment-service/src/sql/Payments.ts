import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import * as PaymentsApi from "@tandem/contracts/http/PaymentsApi"
import type { Reason } from "@tandem/contracts/OrderStatus"
import { Effect, Option } from "effect"
import type { Payment } from "../domain/PaymentSaga.js"
import type { Settlement } from "../domain/Settlement.js"
import { ownedBy } from "./Accounts.js"

/** A payment's row, as the driver gives it; what goes with which status is a CHECK of the table. */
export type PaymentRow = { readonly orderId: string; readonly userId: string; readonly amount: string } & (
  | { readonly status: "SUCCEEDED"; readonly balanceAfter: string }
  | { readonly status: "DECLINED" | "CANCELLED"; readonly reason: Reason }
  | { readonly status: "REFUNDED"; readonly reason: Reason; readonly balanceAfter: string }
)

/** The decision that a row tells. */
export const fromRow = (row: PaymentRow): Payment => {
  const { orderId, userId } = row
  const decided = { orderId, userId, amount: Number(row.amount) }
  switch (row.status) {
    case "SUCCEEDED":
      return { ...decided, status: row.status, balanceAfter: Number(row.balanceAfter) }
    case "REFUNDED":
      return { ...decided, status: row.status, reason: row.reason, balanceAfter: Number(row.balanceAfter) }
    default:
      return { ...decided, status: row.status, reason: row.reason }
  }
}

/** What was decided about these orders so far. */
export const readPayments = (
  orderIds: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, Payment>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<PaymentRow>`
      SELECT order_id AS "orderId", user_id AS "userId", amount, status, reason, balance_after AS "balanceAfter"
      FROM payments WHERE order_id = ANY(${[...orderIds]}::uuid[])`
    return new Map(rows.map((row) => [row.orderId, fromRow(row)]))
  })

interface ViewRow extends Pick<PaymentsApi.Payment, "orderId" | "userId" | "status" | "reason"> {
  readonly amount: string
  readonly decidedAt: Date
  readonly updatedAt: Date
}

/** What was decided about one order; none when nothing was, or it is not `owner`'s, if one is given. */
export const findPayment = (
  orderId: string,
  owner?: string,
): Effect.Effect<Option.Option<PaymentsApi.Payment>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<ViewRow>`
      SELECT order_id AS "orderId", user_id AS "userId", amount, status, reason, decided_at AS "decidedAt",
        updated_at AS "updatedAt"
      FROM payments WHERE order_id = ${orderId}::uuid ${ownedBy(sql, owner)}`
    return Option.map(
      Option.fromNullable(rows[0]),
      (row) =>
        new PaymentsApi.Payment(
          {
            ...row,
            amount: Number(row.amount),
            decidedAt: row.decidedAt.toISOString(),
            updatedAt: row.updatedAt.toISOString(),
          },
          { disableValidation: true },
        ),
    )
  })

/**
 * A piece of a WITH: the decisions that are new, once all of the accounts are `unmoved`. One that another transaction was quicker with
 * is a unique violation, and the batch is decided again.
 */
export const insertNew = (sql: SqlClient.SqlClient, settlement: Settlement, at: string): Statement.Fragment => {
  const fresh = settlement.payments.flatMap(({ before, after }) => (before === undefined ? [after] : []))
  return sql`
    fresh AS (
      INSERT INTO payments (order_id, user_id, amount, status, reason, balance_after, decided_at, updated_at)
      SELECT order_id, user_id, amount, status, reason, balance_after, ${at}::timestamptz, ${at}::timestamptz
      FROM unnest(
        ${fresh.map((payment) => payment.orderId)}::uuid[], ${fresh.map((payment) => payment.userId)}::text[],
        ${fresh.map((payment) => payment.amount)}::bigint[], ${fresh.map((payment) => payment.status)}::text[],
        ${fresh.map((payment) => ("reason" in payment ? payment.reason : null))}::text[],
        ${fresh.map((payment) => ("balanceAfter" in payment ? payment.balanceAfter : null))}::bigint[]
      ) AS fresh (order_id, user_id, amount, status, reason, balance_after)
      WHERE (SELECT count(*) FROM unmoved) = ${settlement.accounts.length}
      ORDER BY order_id
    )`
}

/**
 * A piece of a WITH: the payments that are given back, once all of the accounts are `unmoved`. That is all it takes: a payment never
 * changes without a movement on its account, so that it is as it was read when its account is.
 */
export const updateRepaid = (sql: SqlClient.SqlClient, settlement: Settlement, at: string): Statement.Fragment => {
  const repaid = settlement.payments.flatMap(({ before, after }) => (before === undefined ? [] : [after]))
  return sql`
    repaid AS (
      UPDATE payments SET status = repaid.status, reason = repaid.reason,
        updated_at = greatest(payments.updated_at, ${at}::timestamptz)
      FROM unnest(
        ${repaid.map(({ orderId }) => orderId)}::uuid[], ${repaid.map(({ status }) => status)}::text[],
        ${repaid.map(({ reason }) => reason)}::text[]
      ) AS repaid (order_id, status, reason)
      WHERE payments.order_id = repaid.order_id
        AND (SELECT count(*) FROM unmoved) = ${settlement.accounts.length}
    )`
}
