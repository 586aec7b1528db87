import { SqlClient, type SqlError } from "@effect/sql"
import { Account } from "@tandem/contracts/http/AccountsApi"
import { Effect, Option } from "effect"
import type { Account as LedgerAccount } from "../domain/Ledger.js"

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

/** A user's account; none when there is none. */
export const findAccount = (
  userId: string,
): Effect.Effect<Option.Option<Account>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<AccountRow>`
      SELECT user_id AS "userId", balance, version, created_at AS "createdAt", updated_at AS "updatedAt"
      FROM accounts WHERE user_id = ${userId}`
    return Option.map(Option.fromNullable(rows[0]), fromRow)
  })

/** What the ledger knows of these users' accounts; with `lock` they stay as they are until the caller's transaction ends. */
export const readAccounts = (
  userIds: ReadonlyArray<string>,
  lock: boolean,
): Effect.Effect<ReadonlyMap<string, LedgerAccount>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ userId: string; balance: string; version: string }>`
      SELECT user_id AS "userId", balance, version FROM accounts WHERE user_id = ANY(${[...userIds]}::text[])
      ${lock ? sql`ORDER BY user_id FOR NO KEY UPDATE` : sql``}`
    return new Map(
      rows.map(({ userId, balance, version }) => [
        userId,
        { userId, balance: Number(balance), version: Number(version) },
      ]),
    )
  })
