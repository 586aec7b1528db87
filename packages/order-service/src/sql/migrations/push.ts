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

/** What is told to users: `notification_counters`, `notifications`. */
export const pushSchema: MigrationNamespace = {
  table: "push_migrations",
  migrations: { "0001_notifications": notifications },
}
