import { SqlClient, type SqlError } from "@effect/sql"
import { Effect } from "effect"

/**
 * Enters the ids of a batch and answers those that `consumer` had not seen. Call it inside the transaction that has the
 * messages' effect. An id that another open transaction has entered is waited for.
 */
export const admit = (
  consumer: string,
  ids: ReadonlyArray<string>,
): Effect.Effect<ReadonlySet<string>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    // In sorted order, so that two transactions with the same ids queue up and do not deadlock.
    const rows = yield* sql<{ readonly message_id: string }>`
      INSERT INTO inbox_events (consumer, message_id)
      SELECT ${consumer}, message_id FROM unnest(${[...new Set(ids)].sort()}::text[]) AS message_id
      ON CONFLICT DO NOTHING
      RETURNING message_id`
    return new Set(rows.map((row) => row.message_id))
  })

/** Takes ids out again, in the transaction that entered them: what is set aside must be able to come through later. */
export const withdraw = (
  consumer: string,
  ids: ReadonlyArray<string>,
): Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`DELETE FROM inbox_events WHERE consumer = ${consumer} AND message_id = ANY(${[...ids]}::text[])`
  })
