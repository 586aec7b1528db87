import { SqlClient, type SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { OutgoingMessage } from "./Message.js"

/** A row of `outbox_events`. `id` is text, as the driver gives a bigint. */
export interface OutboxRow extends OutgoingMessage {
  readonly id: string
}

/**
 * Deletes exactly the acknowledged rows and answers the lowest live ones from `floor` on, in id order, less those in flight: one
 * statement, for a round trip costs more than either. Reading the *lowest live* ids, and not those above the last one seen, is what
 * loses no row: ids become visible out of order.
 */
export const removeAndRead = (
  acknowledged: ReadonlyArray<string>,
  floor: bigint,
  inFlight: ReadonlyArray<string>,
  limit: number,
): Effect.Effect<ReadonlyArray<OutboxRow>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = sql<OutboxRow>`
      SELECT id, topic, key, value, headers FROM outbox_events
      WHERE id >= ${floor.toString()}::bigint AND id <> ALL(${[...acknowledged, ...inFlight]}::bigint[])
      ORDER BY id LIMIT ${limit}`
    if (acknowledged.length === 0) return yield* rows
    return yield* sql<OutboxRow>`
      WITH removed AS (DELETE FROM outbox_events WHERE id = ANY(${[...acknowledged]}::bigint[])) ${rows}`
  })

/** The last id that the sequence gave out, and the transactions that were writing to the outbox right after. */
export interface Watermark {
  readonly lastValue: bigint
  readonly writers: ReadonlyArray<string>
}

const writersNow = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly virtualtransaction: string }>`
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'outbox_events'::regclass AND mode = 'RowExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
  return rows.map((row) => row.virtualtransaction)
})

/**
 * Reads the sequence first and the writers second: an INSERT locks the table before it draws an id, so whoever holds an id at
 * or below `lastValue` is either among the writers or has ended.
 */
export const watermark: Effect.Effect<Watermark, SqlError.SqlError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly last: string }>`
    SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('outbox_events', 'id')::regclass), 0) AS last`
  return { lastValue: BigInt(rows[0]?.last ?? "0"), writers: yield* writersNow }
})

/**
 * The highest id below which no row is live and none can appear any more, or `floor` while a writer of the watermark is still
 * at work. The xmin horizon would not be exact: an id can be drawn before the transaction has an xid.
 */
export const advance = (
  floor: bigint,
  mark: Watermark,
): Effect.Effect<bigint | "waiting", SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    if (mark.writers.length > 0) {
      const now = new Set(yield* writersNow)
      if (mark.writers.some((writer) => now.has(writer))) return "waiting"
    }
    const rows = yield* sql<{ readonly id: string }>`
      SELECT id FROM outbox_events WHERE id >= ${floor.toString()}::bigint ORDER BY id LIMIT 1`
    const lowestLive = rows[0] === undefined ? undefined : BigInt(rows[0].id)
    const unseen = mark.lastValue + 1n
    return lowestLive !== undefined && lowestLive < unseen ? lowestLive : unseen
  })
