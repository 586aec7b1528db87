import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect } from "effect"

const tickets = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A ticket lives for 30 s: who loses it in a crash asks for another.
  yield* sql`
    CREATE UNLOGGED TABLE push_tickets (
      hash bytea PRIMARY KEY CHECK (length(hash) = 32),
      user_id text NOT NULL CHECK (user_id ~ '^[A-Za-z0-9_-]{1,64}$'),
      operator boolean NOT NULL,
      token_expires_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    )`
  yield* sql`CREATE INDEX push_tickets_by_expiry ON push_tickets (expires_at)`
})

/** What opens streams: `push_tickets`. */
export const ticketSchema: MigrationNamespace = {
  table: "ticket_migrations",
  migrations: { "0001_push_tickets": tickets },
}
