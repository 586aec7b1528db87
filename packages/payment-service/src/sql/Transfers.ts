import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import { Transfer } from "@tandem/contracts/http/AccountsApi"
import { Effect } from "effect"
import type { TransferLine } from "../domain/Ledger.js"

/** A line with what the ledger adds to it. */
export interface NewTransfer extends TransferLine {
  readonly id: string
}

/**
 * A piece of a WITH: the lines of a settlement, each at the moment of its `account`'s change, so that none is older than the line
 * before it; none when no account is written.
 */
export const append = (sql: SqlClient.SqlClient, lines: ReadonlyArray<NewTransfer>): Statement.Fragment => sql`
  line AS (
    INSERT INTO transfers (
      account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at
    )
    SELECT 'user:' || user_id, version, id, kind,
      CASE kind WHEN 'payment' THEN 'user:' || user_id ELSE 'settlement' END,
      CASE kind WHEN 'payment' THEN 'settlement' ELSE 'user:' || user_id END,
      amount, balance_after, order_id, account.updated_at
    FROM unnest(
      ${lines.map((line) => line.userId)}::text[],
      ${lines.map((line) => line.version)}::bigint[],
      ${lines.map((line) => line.id)}::uuid[],
      ${lines.map((line) => line.kind)}::text[],
      ${lines.map((line) => line.amount)}::bigint[],
      ${lines.map((line) => line.balanceAfter)}::bigint[],
      ${lines.map((line) => line.orderId)}::uuid[]
    ) AS line (user_id, version, id, kind, amount, balance_after, order_id)
    JOIN account USING (user_id)
  )`

interface Row extends Pick<Transfer, "id" | "kind" | "direction" | "orderId"> {
  readonly version: string
  readonly amount: string
  readonly balanceAfter: string
  readonly at: Date
}

/** Which of an account's transfers, newest first. */
export interface TransferFilter {
  readonly userId: string
  /** None at all unless the account is this user's, if one is given. */
  readonly owner?: string | undefined
  /** Only transfers that led to a lower version of the account. */
  readonly before?: number
  /** The most rows. */
  readonly limit: number
}

/** An account's transfers with the version that each led to, newest first; keyset, by the ledger's primary key. */
export const listTransfers = (
  filter: TransferFilter,
): Effect.Effect<
  ReadonlyArray<{ readonly version: number; readonly transfer: Transfer }>,
  SqlError.SqlError,
  SqlClient.SqlClient
> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Row>`
      SELECT id, kind, CASE WHEN credit_account = account THEN 'credit' ELSE 'debit' END AS direction, amount,
        balance_after AS "balanceAfter", order_id AS "orderId", at, account_version AS version
      FROM transfers
      WHERE account = 'user:' || ${filter.userId}::text
        ${filter.owner === undefined ? sql`` : sql`AND account = 'user:' || ${filter.owner}::text`}
        ${filter.before === undefined ? sql`` : sql`AND account_version < ${filter.before}::bigint`}
      ORDER BY account_version DESC LIMIT ${filter.limit}`
    return rows.map(({ version, ...row }) => ({
      version: Number(version),
      transfer: new Transfer(
        {
          ...row,
          amount: Number(row.amount),
          balanceAfter: Number(row.balanceAfter),
          at: row.at.toISOString(),
        },
        { disableValidation: true },
      ),
    }))
  })
