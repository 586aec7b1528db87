import type { Statement } from "@effect/sql"
import { SqlClient, type SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { Payment } from "../domain/PaymentSaga.js"
import type { Settlement } from "../domain/Settlement.js"

/** What was decided about these orders so far. */
export const readPayments = (
  orderIds: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, Payment>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<
      Omit<Payment, "amount" | "balanceAfter"> & { readonly amount: string; readonly balanceAfter: string | null }
    >`
      SELECT order_id AS "orderId", user_id AS "userId", amount, status, reason, balance_after AS "balanceAfter"
      FROM payments WHERE order_id = ANY(${[...orderIds]}::uuid[])`
    return new Map(
      rows.map((row): [string, Payment] => [
        row.orderId,
        {
          ...row,
          amount: Number(row.amount),
          balanceAfter: row.balanceAfter === null ? null : Number(row.balanceAfter),
        },
      ]),
    )
  })

/** The decisions that are new; one that another transaction was quicker with is a unique violation, and the batch is decided again. */
export const insertNew = (sql: SqlClient.SqlClient, { payments }: Settlement, at: string): Statement.Fragment => {
  const fresh = payments.flatMap(({ before, after }) => (before === undefined ? [after] : []))
  return sql`
    INSERT INTO payments (order_id, user_id, amount, status, reason, balance_after, decided_at, updated_at)
    SELECT order_id, user_id, amount, status, reason, balance_after, ${at}::timestamptz, ${at}::timestamptz
    FROM unnest(
      ${fresh.map((payment) => payment.orderId)}::uuid[], ${fresh.map((payment) => payment.userId)}::text[],
      ${fresh.map((payment) => payment.amount)}::bigint[], ${fresh.map((payment) => payment.status)}::text[],
      ${fresh.map((payment) => payment.reason)}::text[], ${fresh.map((payment) => payment.balanceAfter)}::bigint[]
    ) AS fresh (order_id, user_id, amount, status, reason, balance_after)
    ORDER BY order_id
    RETURNING 1`
}

/** The decisions that changed since they were read, each under the status that it had then. */
export const updateChanged = (sql: SqlClient.SqlClient, { payments }: Settlement, at: string): Statement.Fragment => {
  const changed = payments.flatMap(({ before, after }) => (before === undefined ? [] : [{ before, after }]))
  return sql`
    UPDATE payments SET status = changed.status, reason = changed.reason,
      updated_at = greatest(payments.updated_at, ${at}::timestamptz)
    FROM unnest(
      ${changed.map(({ after }) => after.orderId)}::uuid[], ${changed.map(({ before }) => before.status)}::text[],
      ${changed.map(({ after }) => after.status)}::text[], ${changed.map(({ after }) => after.reason)}::text[]
    ) AS changed (order_id, from_status, status, reason)
    WHERE payments.order_id = changed.order_id AND payments.status = changed.from_status
    RETURNING 1`
}
