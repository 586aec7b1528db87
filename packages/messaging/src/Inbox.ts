import { SqlClient, SqlError, type Statement } from "@effect/sql"
import { Effect } from "effect"
import { sqlState } from "./internal/DataFault.js"

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
    const rows = yield* enter(sql, consumer, [...new Set(ids)])
    return new Set(rows.map((row) => row.message_id))
  })

const enter = (sql: SqlClient.SqlClient, consumer: string, ids: ReadonlyArray<string>) =>
  // In sorted order, so that two transactions with the same ids queue up and do not deadlock.
  sql<{ readonly message_id: string }>`
    INSERT INTO inbox_events (consumer, message_id)
    SELECT ${consumer}, message_id FROM unnest(${[...ids].sort()}::text[]) AS message_id
    ON CONFLICT DO NOTHING
    RETURNING message_id`

/** The ids of a batch on their way into the inbox by the very statement that has the messages' effect. */
export interface Entry {
  /** `admitted AS (INSERT …)`, a piece of the statement's own `WITH`. */
  readonly cte: Statement.Fragment
  /** A condition: all of them are new. Where a write depends on it, the inbox comes first, as in a transaction, so that nobody deadlocks. */
  readonly allNew: Statement.Fragment
  /**
   * A column that the statement must answer: true, or the statement fails with SQLSTATE 40001 and nothing is written, because not all of the
   * ids are new or `condition` does not hold. `what` names the condition, and is then the fault's `constraint`.
   */
  readonly confirm: (what: string, condition: Statement.Fragment) => Statement.Fragment
}

/** `admit` as pieces of a single statement, which is a transaction by itself. `ids` are different from each other. */
export const entry = (sql: SqlClient.SqlClient, consumer: string, ids: ReadonlyArray<string>): Entry => {
  const allNew = sql`(SELECT count(*) FROM admitted) = ${ids.length}`
  return {
    cte: sql`admitted AS (${enter(sql, consumer, ids)})`,
    allNew,
    confirm: (what, condition) => sql`
      CASE WHEN NOT ${allNew} THEN messaging_conflict('inbox') WHEN NOT (${condition}) THEN messaging_conflict(${what})
        ELSE true END`,
  }
}

/** What `Entry.confirm` found not to hold, in a fault of the statement; undefined for anything else. */
export const conflictOf = (fault: unknown): string | undefined => {
  if (!(fault instanceof SqlError.SqlError) || sqlState(fault) !== "40001") return undefined
  const { constraint } = fault.cause as { readonly constraint?: string }
  return constraint
}

/** Takes ids out again, in the transaction that entered them: what is set aside must be able to come through later. */
export const withdraw = (
  consumer: string,
  ids: ReadonlyArray<string>,
): Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`DELETE FROM inbox_events WHERE consumer = ${consumer} AND message_id = ANY(${[...ids]}::text[])`
  })
