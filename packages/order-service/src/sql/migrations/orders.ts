import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect } from "effect"
import { asks } from "./asks.js"

const orders = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // An order has three entries of history at most, so they are columns of its row: a table of their own cost 20 % of the
  // settled orders a second. No index stands on what changes, and a page keeps room, so that updates stay heap-only.
  yield* sql`
    CREATE TABLE orders (
      id uuid PRIMARY KEY,
      user_id text NOT NULL CHECK (user_id ~ '^[A-Za-z0-9_-]{1,64}$'),
      amount bigint NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
      status text NOT NULL CHECK (status IN ('NEW', 'FINISHED', 'CANCELLED', 'REFUNDED')),
      reason text CHECK (
        reason IN ('InsufficientFunds', 'AccountNotFound', 'CancelledByUser', 'PaymentTimeout', 'RefundedByUser')
      ),
      version integer NOT NULL CHECK (version >= 1),
      created_at timestamptz(3) NOT NULL,
      updated_at timestamptz(3) NOT NULL,
      settled_at timestamptz(3),
      refunded_at timestamptz(3),
      cancel_asked_at timestamptz(3),
      cancel_reason text,
      refund_asked_at timestamptz(3),
      CONSTRAINT orders_status_has_its_history CHECK (
        CASE status
          WHEN 'NEW' THEN settled_at IS NULL AND refunded_at IS NULL AND reason IS NULL
          WHEN 'FINISHED' THEN settled_at IS NOT NULL AND refunded_at IS NULL AND reason IS NULL
          WHEN 'CANCELLED' THEN settled_at IS NOT NULL AND refunded_at IS NULL AND reason IS NOT NULL
          ELSE settled_at IS NOT NULL AND refunded_at IS NOT NULL AND reason IS NOT NULL
        END
      )
    ) WITH (
      fillfactor = 70,
      autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
    )`
  yield* sql`CREATE INDEX orders_by_user ON orders (user_id, id DESC)`
})

/** The order service's own tables. */
export const orderSchema: MigrationNamespace = {
  table: "order_migrations",
  migrations: { "0001_orders": orders, "0002_asks": asks },
}
