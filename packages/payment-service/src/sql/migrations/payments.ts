import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect } from "effect"
import { guardsFollowKeys, ledgerGuards, sumWithin } from "./ledgerGuards.js"

const accounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE accounts (
      user_id text PRIMARY KEY CHECK (user_id ~ '^[A-Za-z0-9_-]{1,64}$'),
      balance bigint NOT NULL CONSTRAINT accounts_balance_is_not_negative CHECK (balance >= 0),
      funded bigint NOT NULL CONSTRAINT accounts_funding_limit CHECK (funded BETWEEN 1 AND 9007199254740991),
      version bigint NOT NULL CHECK (version >= 1),
      created_at timestamptz(3) NOT NULL,
      updated_at timestamptz(3) NOT NULL,
      CONSTRAINT accounts_balance_was_funded CHECK (balance <= funded)
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)`
})

const transfers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Double entry: each line debits one account and credits another, one of them the user's. Its key is the user's account with the
  // version that it led to, so a lost update cannot hide.
  yield* sql`
    CREATE TABLE transfers (
      account text NOT NULL,
      account_version bigint NOT NULL CHECK (account_version >= 1),
      id uuid NOT NULL,
      kind text NOT NULL CHECK (kind IN ('topup', 'payment', 'refund')),
      debit_account text NOT NULL,
      credit_account text NOT NULL,
      amount bigint NOT NULL CHECK (amount >= 1),
      balance_after bigint NOT NULL CHECK (balance_after >= 0),
      order_id uuid,
      at timestamptz(3) NOT NULL,
      PRIMARY KEY (account, account_version),
      CONSTRAINT transfers_move_between_the_right_accounts CHECK (
        account LIKE 'user:%' AND CASE kind
          WHEN 'topup' THEN debit_account = 'funding' AND credit_account = account AND order_id IS NULL
          WHEN 'payment' THEN debit_account = account AND credit_account = 'settlement' AND order_id IS NOT NULL
          ELSE debit_account = 'settlement' AND credit_account = account AND order_id IS NOT NULL
        END
      )
    )`
  yield* sql`CREATE UNIQUE INDEX transfers_pay_an_order_once ON transfers (order_id) WHERE kind = 'payment'`
  yield* sql`CREATE UNIQUE INDEX transfers_refund_an_order_once ON transfers (order_id) WHERE kind = 'refund'`
})

const payments = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE payments (
      order_id uuid PRIMARY KEY,
      user_id text NOT NULL,
      amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
      status text NOT NULL,
      reason text CHECK (
        reason IN ('InsufficientFunds', 'AccountNotFound', 'CancelledByUser', 'PaymentTimeout', 'RefundedByUser')
      ),
      balance_after bigint CHECK (balance_after >= 0),
      decided_at timestamptz(3) NOT NULL,
      updated_at timestamptz(3) NOT NULL,
      CONSTRAINT payments_status_has_its_facts CHECK (
        CASE status
          WHEN 'SUCCEEDED' THEN reason IS NULL AND balance_after IS NOT NULL
          WHEN 'DECLINED' THEN reason IS NOT NULL AND reason IN ('InsufficientFunds', 'AccountNotFound')
            AND balance_after IS NULL
          WHEN 'CANCELLED' THEN reason IS NOT NULL AND balance_after IS NULL
          WHEN 'REFUNDED' THEN reason IS NOT NULL AND balance_after IS NOT NULL
          ELSE false
        END
      )
    ) WITH (fillfactor = 90)`
})

/** The accounts and the ledger of what moved between them. */
export const ledgerSchema: MigrationNamespace = {
  table: "ledger_migrations",
  migrations: { "0001_accounts": accounts, "0002_transfers": transfers, "0003_sum_within": sumWithin },
}

/** What was decided about each order, and the guards that tie it to the ledger: run it after {@link ledgerSchema}. */
export const paymentSchema: MigrationNamespace = {
  table: "payment_migrations",
  migrations: {
    "0001_payments": payments,
    "0002_ledger_guards": ledgerGuards,
    "0003_guards_follow_keys": guardsFollowKeys,
  },
}
