import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect } from "effect"

const repairs = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE reconciliation_repairs (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      kind text NOT NULL CHECK (kind IN ('unheard-decision', 'unanswered-order')),
      order_id uuid NOT NULL,
      message_type text NOT NULL,
      reason text,
      actor text NOT NULL CHECK (actor <> ''),
      at timestamptz NOT NULL DEFAULT now()
    )`
})

/** What was repaired, by whom and when: `reconciliation_repairs`, in the database that was touched, made by the first repair. */
export const repairSchema: MigrationNamespace = {
  table: "reconciliation_migrations",
  migrations: { "0001_repairs": repairs },
}
