import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect } from "effect"

const notifications = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE notification_counters (
      user_id text PRIMARY KEY,
      seq bigint NOT NULL CHECK (seq > 0)
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)`
  yield* sql`
    CREATE TABLE notifications (
      user_id text NOT NULL,
      seq bigint NOT NULL CHECK (seq > 0),
      order_id uuid NOT NULL,
      amount bigint NOT NULL,
      status text NOT NULL CHECK (status IN ('FINISHED', 'CANCELLED', 'REFUNDED')),
      reason text,
      at timestamptz(3) NOT NULL,
      PRIMARY KEY (user_id, seq)
    )`
})

const checks = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A user is in both tables or in none, so the shape of the id is looked at where there is one row for each.
  yield* sql`
    ALTER TABLE notification_counters
      ADD CONSTRAINT notification_counters_user_id CHECK (user_id ~ '^[A-Za-z0-9_-]{1,64}$')`
  yield* sql`
    ALTER TABLE notifications
      ADD CONSTRAINT notifications_amount CHECK (amount BETWEEN 1 AND 1000000000000),
      ADD CONSTRAINT notifications_reason CHECK (
        reason IN ('InsufficientFunds', 'AccountNotFound', 'CancelledByUser', 'PaymentTimeout', 'RefundedByUser')
      ),
      ADD CONSTRAINT notifications_status_has_its_reason CHECK ((status = 'FINISHED') = (reason IS NULL))`
})

/** What is told to users: `notification_counters`, `notifications`. */
export const pushSchema: MigrationNamespace = {
  table: "push_migrations",
  migrations: { "0001_notifications": notifications, "0002_checks": checks },
}
