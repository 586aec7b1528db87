import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { migrate } from "@tandem/messaging/Migrations"
import { Outbox } from "@tandem/messaging/Outbox"
import { Effect, Layer, Redacted } from "effect"
import { ledgerSchema, paymentSchema } from "../../src/sql/migrations/payments.js"

/** A database of the payment service for one test, and its outbox. */
export const database = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { url } = yield* Effect.acquireRelease(
      Effect.promise(() => createTestDatabase()),
      ({ drop }) => Effect.promise(() => drop()),
    )
    const migrated = Layer.effectDiscard(migrate([messagingSchema, ledgerSchema, paymentSchema]))
    return Layer.merge(migrated, Outbox.layer).pipe(
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 12 })),
    )
  }),
)

/** What the ledger says of itself: all must be 0. */
export const imbalance = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ conservation: string; versions: string; balances: string }>`
    SELECT
      (SELECT coalesce(sum(balance), 0) FROM accounts)
        - (SELECT coalesce(sum(CASE kind WHEN 'topup' THEN amount WHEN 'payment' THEN -amount ELSE amount END), 0) FROM transfers)
        AS conservation,
      (SELECT count(*) FROM accounts a WHERE version <> (SELECT count(*) FROM transfers t WHERE t.account = 'user:' || a.user_id))
        AS versions,
      (SELECT count(*) FROM accounts a WHERE balance <> (
        SELECT balance_after FROM transfers t WHERE t.account = 'user:' || a.user_id ORDER BY account_version DESC LIMIT 1
      )) AS balances`
  return rows[0]
})

/** What {@link imbalance} says when all is well. */
export const balanced = { conservation: "0", versions: "0", balances: "0" }
