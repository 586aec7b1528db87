import { SqlClient, type SqlError } from "@effect/sql"
import * as RetrySchedules from "@tandem/messaging/RetrySchedules"
import { guardDefects } from "@tandem/messaging/Transaction"
import { Effect, Layer } from "effect"
import { keptHours } from "./IdempotentWrites.js"

/** Rows of one statement: few enough that nobody waits for it. */
const batch = 2_000

/** Deletes the answers that are kept no longer, in small statements of their own; answers how many rows are gone. */
export const clean: Effect.Effect<number, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  let gone = 0
  for (;;) {
    const rows = yield* sql`
        DELETE FROM idempotency_keys WHERE (caller, operation, key) IN (
          SELECT caller, operation, key FROM idempotency_keys
          WHERE at <= clock_timestamp() - ${`${keptHours} hours`}::interval ORDER BY at LIMIT ${batch}
        ) AND at <= clock_timestamp() - ${`${keptHours} hours`}::interval RETURNING 1`
    gone += rows.length
    if (rows.length < batch) return gone
    yield* Effect.sleep("20 millis")
  }
}).pipe(guardDefects)

/** Keeps the table of keys from growing for ever, for as long as the scope. Give it connections that no request waits for. */
export const layer: Layer.Layer<never, never, SqlClient.SqlClient> = clean.pipe(
  Effect.tapError((fault) => Effect.logDebug(`retention of idempotency keys tries again: ${fault.message}`)),
  Effect.retry(RetrySchedules.subscription),
  Effect.zipRight(Effect.sleep("1 minute")),
  Effect.forever,
  Effect.withTracerEnabled(false),
  Effect.forkScoped,
  Layer.scopedDiscard,
)
