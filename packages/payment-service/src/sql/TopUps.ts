import { SqlClient, type SqlError } from "@effect/sql"
import type { Account } from "@tandem/contracts/http/AccountsApi"
import { Data, Effect, Either } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { type AccountRow, fromRow } from "./Accounts.js"

/** Money to be put on an account, which is made when it is not there. */
export interface NewTopUp {
  /** The transfer's id, UUIDv7. */
  readonly id: string
  readonly userId: string
  /** Minor units. */
  readonly amount: number
}

/** What a top-up came to: the account right after it, and whether it made the account. */
export interface ToppedUp {
  readonly account: Account
  readonly created: boolean
}

/** With this top-up all that the account was ever topped up with would pass 2^53−1 minor units. It was left out. */
export class FundingLimitReached extends Data.TaggedError("FundingLimitReached") {}

type Row = (AccountRow & { readonly created: boolean }) | { readonly version: null }

/**
 * Top-ups in one statement, which is one transaction, outcomes in the order of the array; several of one account are folded, and each
 * has its line in the ledger. The balance is added to and never compared, so a top-up misses no version. Whether the funding limit
 * leaves room is decided one after the other under the account's lock: one that finds none is left out, and its neighbours are not.
 */
export const topUp = (
  topUps: NonEmptyReadonlyArray<NewTopUp>,
  at: string,
): Effect.Effect<ReadonlyArray<Either.Either<ToppedUp, FundingLimitReached>>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Row>`
      WITH command AS (
        SELECT id, user_id, amount, position
        FROM unnest(
          ${topUps.map(({ id }) => id)}::uuid[], ${topUps.map(({ userId }) => userId)}::text[],
          ${topUps.map(({ amount }) => amount)}::bigint[]
        ) WITH ORDINALITY AS c (id, user_id, amount, position)
      ), present AS (
        -- In the order of the users, so that two statements queue up and do not deadlock.
        SELECT user_id, funded FROM accounts WHERE user_id IN (SELECT user_id FROM command)
        ORDER BY user_id FOR NO KEY UPDATE
      ), running AS (
        SELECT id, user_id, amount, position,
          sum_within(amount, 9007199254740991 - coalesce(funded, 0)) OVER until_now AS so_far
        FROM command LEFT JOIN present USING (user_id)
        WINDOW until_now AS (PARTITION BY user_id ORDER BY position)
      ), fitting AS (
        SELECT id, user_id, amount, position, so_far, count(*) OVER until_now AS rank
        FROM (SELECT *, lag(so_far, 1, 0::bigint) OVER (PARTITION BY user_id ORDER BY position) AS before FROM running) AS one
        WHERE so_far > before
        WINDOW until_now AS (PARTITION BY user_id ORDER BY position)
      ), folded AS (
        SELECT user_id, max(so_far) AS total, count(*) AS n FROM fitting GROUP BY user_id
      ), account AS (
        INSERT INTO accounts (user_id, balance, funded, version, created_at, updated_at)
        SELECT user_id, total, total, n, ${at}::timestamptz, ${at}::timestamptz FROM folded ORDER BY user_id
        ON CONFLICT (user_id) DO UPDATE SET
          balance = accounts.balance + excluded.balance, funded = accounts.funded + excluded.funded,
          version = accounts.version + excluded.version, updated_at = greatest(accounts.updated_at, excluded.updated_at)
        RETURNING user_id, balance, version, created_at, updated_at
      ), after AS (
        SELECT fitting.id, fitting.position, fitting.user_id, fitting.amount,
          account.balance - folded.total + fitting.so_far AS balance,
          account.version - folded.n + fitting.rank AS version, account.created_at, account.updated_at
        FROM fitting JOIN folded USING (user_id) JOIN account USING (user_id)
      ), line AS (
        INSERT INTO transfers (
          account, account_version, id, kind, debit_account, credit_account, amount, balance_after, order_id, at
        )
        SELECT 'user:' || user_id, version, id, 'topup', 'funding', 'user:' || user_id, amount, balance, NULL, updated_at
        FROM after
      )
      SELECT after.user_id AS "userId", balance, version, created_at AS "createdAt", updated_at AS "updatedAt",
        version = 1 AS created
      FROM command LEFT JOIN after USING (position) ORDER BY position`
    return rows.map((row) =>
      row.version === null
        ? Either.left(new FundingLimitReached())
        : Either.right({ account: fromRow(row), created: row.created }),
    )
  })
