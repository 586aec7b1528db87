import { SqlClient, type SqlError } from "@effect/sql"
import type { Account } from "@tandem/contracts/http/AccountsApi"
import { Data, Effect } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { type AccountRow, fromRow } from "./Accounts.js"

/** Money to be put on an account, which is made when it is not there. */
export interface NewTopUp {
  /** The transfer's id, UUIDv7. */
  readonly id: string
  readonly userId: string
  readonly amount: number
}

/** What a top-up came to: the account right after it, and whether it made the account. */
export interface ToppedUp {
  readonly account: Account
  readonly created: boolean
}

/** All that an account was ever topped up with would pass 2^53−1 minor units. */
export class FundingLimitReached extends Data.TaggedError("FundingLimitReached") {}

interface Row extends AccountRow {
  readonly created: boolean
}

/**
 * Top-ups in one statement, which is one transaction, results in the order of the array; several of one account are folded, and each
 * has its line in the ledger. The balance is added to and never compared, so a top-up misses no version. One that would pass the
 * funding limit fails all of them: try each by itself then.
 */
export const topUp = (
  topUps: NonEmptyReadonlyArray<NewTopUp>,
  at: string,
): Effect.Effect<ReadonlyArray<ToppedUp>, SqlError.SqlError | FundingLimitReached, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Row>`
      WITH command AS (
        SELECT *, count(*) OVER later AS rank, sum(amount) OVER later AS so_far
        FROM unnest(
          ${topUps.map(({ id }) => id)}::uuid[], ${topUps.map(({ userId }) => userId)}::text[],
          ${topUps.map(({ amount }) => amount)}::bigint[]
        ) WITH ORDINALITY AS c (id, user_id, amount, position)
        WINDOW later AS (PARTITION BY user_id ORDER BY position)
      ), folded AS (
        SELECT user_id, sum(amount)::bigint AS total, count(*) AS n FROM command GROUP BY user_id
      ), account AS (
        -- In the order of the users, so that two statements queue up and do not deadlock.
        INSERT INTO accounts (user_id, balance, funded, version, created_at, updated_at)
        SELECT user_id, total, total, n, ${at}::timestamptz, ${at}::timestamptz FROM folded ORDER BY user_id
        ON CONFLICT (user_id) DO UPDATE SET
          balance = accounts.balance + excluded.balance, funded = accounts.funded + excluded.funded,
          version = accounts.version + excluded.version, updated_at = greatest(accounts.updated_at, excluded.updated_at)
        RETURNING user_id, balance, version, created_at, updated_at
      ), after AS (
        SELECT command.id, command.position, command.user_id, command.amount, command.rank,
          account.balance - folded.total + command.so_far AS balance,
          account.version - folded.n + command.rank AS version, account.created_at, account.updated_at
        FROM command JOIN folded USING (user_id) JOIN account USING (user_id)
      ), line AS (
        INSERT INTO transfers (
          account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at
        )
        SELECT 'user:' || user_id, version, id, 'topup', 'funding', 'user:' || user_id, amount, balance, NULL, updated_at
        FROM after
      )
      SELECT user_id AS "userId", balance, version, created_at AS "createdAt", updated_at AS "updatedAt",
        version = 1 AS created
      FROM after ORDER BY position`
    return rows.map((row) => ({ account: fromRow(row), created: row.created }))
  }).pipe(Effect.catchIf(isFundingLimit, () => new FundingLimitReached()))

const isFundingLimit = (error: SqlError.SqlError): boolean => {
  const cause = error.cause
  return (
    typeof cause === "object" &&
    cause !== null &&
    "constraint" in cause &&
    cause.constraint === "accounts_funding_limit"
  )
}
