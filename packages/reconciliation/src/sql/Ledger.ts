import { Effect } from "effect"
import type { Finding } from "../domain/Finding.js"
import type { CannotCheck, Snapshot } from "./Snapshot.js"

/** The sums of the books, in minor units. */
export interface Books {
  readonly accounts: bigint
  readonly transfers: bigint
  /** Σ of all user balances. */
  readonly balances: bigint
  /** All that ever came in, and all that was paid less what was given back. */
  readonly funding: bigint
  readonly settlement: bigint
}

/** Sums the books: at any moment Σ balances = Σ funding − Σ settlement. */
export const readBooks = ({ sql, read }: Snapshot): Effect.Effect<Books, CannotCheck> =>
  Effect.map(
    read(sql<Record<keyof Books, string>>`
      SELECT account.n AS accounts, line.n AS transfers, account.balances, line.funding, line.settlement
      FROM (SELECT count(*) AS n, coalesce(sum(balance), 0) AS balances FROM accounts) AS account,
        (
          SELECT count(*) AS n,
            coalesce(sum(CASE WHEN debit_account = 'funding' THEN amount END), 0)
              - coalesce(sum(CASE WHEN credit_account = 'funding' THEN amount END), 0) AS funding,
            coalesce(sum(CASE WHEN credit_account = 'settlement' THEN amount END), 0)
              - coalesce(sum(CASE WHEN debit_account = 'settlement' THEN amount END), 0) AS settlement
          FROM transfers
        ) AS line`),
    ([row]) => ({
      accounts: BigInt(row?.accounts ?? 0),
      transfers: BigInt(row?.transfers ?? 0),
      balances: BigInt(row?.balances ?? 0),
      funding: BigInt(row?.funding ?? 0),
      settlement: BigInt(row?.settlement ?? 0),
    }),
  )

/** The books as a finding, when they do not balance. */
export const checkBooks = ({ balances, funding, settlement }: Books): ReadonlyArray<Finding> =>
  balances === funding - settlement
    ? []
    : [
        {
          kind: "unbalanced-books",
          ids: {},
          expected: `balances of ${funding - settlement}, which is funding ${funding} less settlement ${settlement}`,
          found: `balances of ${balances}`,
        },
      ]

interface AccountRow {
  readonly account: string
  readonly balance: string | null
  readonly funded: string | null
  readonly version: string | null
  readonly sum: string | null
  readonly topUps: string | null
  readonly lines: string | null
  readonly brokenAt: string | null
}

/** Accounts that their transfers do not lead to: balance, funding, version, and each line's version and balance after the one before. */
export const checkAccounts = (
  { sql, read }: Snapshot,
  limit: number,
): Effect.Effect<ReadonlyArray<Finding>, CannotCheck> =>
  Effect.map(
    read(sql<AccountRow>`
      WITH line AS (
        SELECT account, account_version AS version, kind, amount, balance_after,
          CASE account WHEN credit_account THEN amount ELSE -amount END AS change,
          coalesce(lag(account_version) OVER earlier, 0) AS version_before,
          coalesce(lag(balance_after) OVER earlier, 0) AS balance_before
        FROM transfers WINDOW earlier AS (PARTITION BY account ORDER BY account_version)
      ), ledger AS (
        SELECT account, count(*) AS lines, sum(change) AS sum,
          coalesce(sum(amount) FILTER (WHERE kind = 'topup'), 0) AS top_ups,
          min(version) FILTER (WHERE version <> version_before + 1 OR balance_after <> balance_before + change) AS broken_at
        FROM line GROUP BY account
      ), stored AS (
        SELECT 'user:' || user_id AS account, balance, funded, version FROM accounts
      )
      SELECT account, balance, funded, version, sum, top_ups AS "topUps", lines, broken_at AS "brokenAt"
      FROM ledger FULL JOIN stored USING (account)
      WHERE broken_at IS NOT NULL OR balance IS DISTINCT FROM sum OR funded IS DISTINCT FROM top_ups
        OR version IS DISTINCT FROM lines
      ORDER BY account LIMIT ${limit}`),
    (rows) => rows.flatMap(accountFindings),
  )

const accountFindings = (row: AccountRow): ReadonlyArray<Finding> => {
  const ids = { account: row.account }
  const chain: ReadonlyArray<Finding> =
    row.brokenAt === null
      ? []
      : [
          {
            kind: "broken-chain",
            ids: { ...ids, version: row.brokenAt },
            expected: "every version from 1 on once, each balance following from the one before",
            found: `version ${row.brokenAt} does not follow`,
          },
        ]
  if (row.balance === row.sum && row.funded === row.topUps && row.version === row.lines) return chain
  const said = (balance: string | null, funded: string | null, version: string | null, none: string) =>
    balance === null ? none : `balance ${balance}, funded ${funded}, version ${version}`
  return [
    {
      kind: "balance-mismatch",
      ids,
      expected: said(row.sum, row.topUps, row.lines, "no account, for there are no transfers"),
      found: said(row.balance, row.funded, row.version, "no such account"),
    },
    ...chain,
  ]
}

interface PaidRow {
  readonly orderId: string
  readonly userId: string | null
  readonly status: string | null
  readonly amount: string | null
  readonly paid: string
  readonly refunded: string
  readonly same: boolean
  readonly accounts: string
}

/** Decisions that their transfers do not bear out, and transfers without a decision. */
export const checkTransfers = (
  { sql, read }: Snapshot,
  limit: number,
): Effect.Effect<ReadonlyArray<Finding>, CannotCheck> =>
  Effect.map(
    read(sql<PaidRow>`
      WITH moved AS (
        SELECT order_id, count(*) FILTER (WHERE kind = 'payment') AS paid, count(*) FILTER (WHERE kind = 'refund') AS refunded,
          min(amount) AS least, max(amount) AS most, min(account) AS account, max(account) AS other_account,
          max(balance_after) FILTER (WHERE kind = 'payment') AS balance_after
        FROM transfers WHERE order_id IS NOT NULL GROUP BY order_id
      ), compared AS (
        SELECT order_id, user_id, status, amount, coalesce(paid, 0) AS paid, coalesce(refunded, 0) AS refunded,
          CASE WHEN status IN ('SUCCEEDED', 'REFUNDED') THEN 1 ELSE 0 END AS expected_paid,
          CASE WHEN status = 'REFUNDED' THEN 1 ELSE 0 END AS expected_refunded,
          coalesce(least = amount AND most = amount AND account = 'user:' || user_id AND other_account = account
            AND (paid = 0 OR payments.balance_after = moved.balance_after), true) AS same,
          coalesce(account, '') AS accounts
        FROM payments FULL JOIN moved USING (order_id)
      )
      SELECT order_id AS "orderId", user_id AS "userId", status, amount, paid, refunded, same, accounts FROM compared
      WHERE paid <> expected_paid OR refunded <> expected_refunded OR NOT same
      ORDER BY order_id LIMIT ${limit}`),
    (rows) => rows.map(transferFinding),
  )

const transferFinding = (row: PaidRow): Finding => {
  const ids = { orderId: row.orderId, ...(row.userId === null ? {} : { userId: row.userId }) }
  const count = (paid: number, refunded: number) => `${paid} payment and ${refunded} refund transfers`
  const found = count(Number(row.paid), Number(row.refunded))
  if (row.status === null) {
    return {
      kind: "transfer-without-payment",
      ids,
      expected: "a decision",
      found: `${found} of ${row.accounts}, no decision`,
    }
  }
  const paid = row.status === "SUCCEEDED" || row.status === "REFUNDED" ? 1 : 0
  const refunded = row.status === "REFUNDED" ? 1 : 0
  const expected = `${count(paid, refunded)}, for the payment is ${row.status}`
  if (Number(row.paid) < paid || Number(row.refunded) < refunded) {
    return { kind: "payment-without-transfer", ids, expected, found }
  }
  if (Number(row.paid) > paid || Number(row.refunded) > refunded) {
    return { kind: "transfer-without-payment", ids, expected, found }
  }
  return {
    kind: "transfer-mismatch",
    ids,
    expected: `transfers over ${row.amount} on user:${row.userId}, and the balance that the payment names`,
    found: `another amount, account or balance on ${row.accounts}`,
  }
}
