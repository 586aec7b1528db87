import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import { Account } from "@tandem/contracts/http/AccountsApi"
import { Effect, Option } from "effect"
import type { Account as LedgerAccount } from "../domain/Ledger.js"
import type { Settlement } from "../domain/Settlement.js"

/** An account's row, as the driver gives it. */
export interface AccountRow {
  readonly userId: string
  readonly balance: string
  readonly version: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** The account as the API shows it. */
export const fromRow = (row: AccountRow): Account =>
  new Account(
    {
      userId: row.userId,
      balance: Number(row.balance),
      version: Number(row.version),
      createdAt: row.createdAt.toISOString(),
      updatedAt: row.updatedAt.toISOString(),
    },
    { disableValidation: true },
  )

/** The condition that a row is this user's; none when `owner` is undefined. */
export const ownedBy = (sql: SqlClient.SqlClient, owner: string | undefined): Statement.Fragment =>
  owner === undefined ? sql`` : sql`AND user_id = ${owner}`

/** A user's account; none when there is none, or it is not `owner`'s, if one is given. */
export const findAccount = (
  userId: string,
  owner?: string,
): Effect.Effect<Option.Option<Account>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<AccountRow>`
      SELECT user_id AS "userId", balance, version, created_at AS "createdAt", updated_at AS "updatedAt"
      FROM accounts WHERE user_id = ${userId} ${ownedBy(sql, owner)}`
    return Option.map(Option.fromNullable(rows[0]), fromRow)
  })

/** What the ledger knows of these users' accounts, which stay as they are until the caller's transaction ends. */
export const lockAccounts = (
  userIds: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, LedgerAccount>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    // In the order of the users, so that two who lock queue up and do not deadlock.
    const rows = yield* sql<{ userId: string; balance: string; version: string }>`
      SELECT user_id AS "userId", balance, version FROM accounts WHERE user_id = ANY(${[...userIds]}::text[])
      ORDER BY user_id FOR NO KEY UPDATE`
    return new Map(
      rows.map(({ userId, balance, version }) => [
        userId,
        { userId, balance: Number(balance), version: Number(version) },
      ]),
    )
  })

/**
 * Two pieces of a WITH. `unmoved`: the accounts that are still at the versions under which they were read, if `condition` holds, locked in
 * the order of the users. `account`: their new balances, when all of them are there; else nothing is written. `at` is RFC 3339, UTC.
 */
export const move = (
  sql: SqlClient.SqlClient,
  { accounts }: Settlement,
  at: string,
  condition: Statement.Fragment,
): Statement.Fragment => sql`
  unmoved AS (
    SELECT accounts.user_id
    FROM unnest(
      ${accounts.map(({ before }) => before.userId)}::text[], ${accounts.map(({ before }) => before.version)}::bigint[]
    ) AS expected (user_id, version)
    JOIN accounts ON accounts.user_id = expected.user_id AND accounts.version = expected.version
    WHERE ${condition}
    ORDER BY accounts.user_id FOR NO KEY UPDATE OF accounts
  ),
  account AS (
    -- Clocks disagree, and a statement may have waited since it read its own: no change is older than the one before it.
    UPDATE accounts SET balance = moved.balance, version = moved.version,
      updated_at = greatest(accounts.updated_at, ${at}::timestamptz)
    FROM unnest(
      ${accounts.map(({ after }) => after.userId)}::text[], ${accounts.map(({ after }) => after.balance)}::bigint[],
      ${accounts.map(({ after }) => after.version)}::bigint[]
    ) AS moved (user_id, balance, version)
    WHERE accounts.user_id = moved.user_id AND (SELECT count(*) FROM unmoved) = ${accounts.length}
    RETURNING accounts.user_id, accounts.updated_at
  )`
