import type { SqlClient, Statement } from "@effect/sql"
import type { TransferLine } from "../domain/Ledger.js"

/** A line with what the ledger adds to it. */
export interface NewTransfer extends TransferLine {
  readonly id: string
}

/**
 * The history append of a settlement: an INSERT of all its lines, to stand in the WITH of the statement that changes the accounts.
 * `at` is RFC 3339, UTC.
 */
export const append = (
  sql: SqlClient.SqlClient,
  lines: ReadonlyArray<NewTransfer>,
  at: string,
): Statement.Fragment => sql`
  INSERT INTO transfers (
    account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at
  )
  SELECT 'user:' || user_id, version, id, kind,
    CASE kind WHEN 'payment' THEN 'user:' || user_id ELSE 'settlement' END,
    CASE kind WHEN 'payment' THEN 'settlement' ELSE 'user:' || user_id END,
    amount, balance_after, order_id, ${at}::timestamptz
  FROM unnest(
    ${lines.map((line) => line.userId)}::text[],
    ${lines.map((line) => line.version)}::bigint[],
    ${lines.map((line) => line.id)}::uuid[],
    ${lines.map((line) => line.kind)}::text[],
    ${lines.map((line) => line.amount)}::bigint[],
    ${lines.map((line) => line.balanceAfter)}::bigint[],
    ${lines.map((line) => line.orderId)}::uuid[]
  ) AS line (user_id, version, id, kind, amount, balance_after, order_id)`
