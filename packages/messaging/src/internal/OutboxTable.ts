import { SqlClient, type SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { OutgoingMessage } from "../Message.js"

/** A row of `outbox_events`. `id` is text, as the driver gives a bigint. */
export interface OutboxRow extends OutgoingMessage {
  readonly id: string
}

/** One read takes no more than this, in bytes of values, or one message: a thousand of the largest would not fit into memory. */
const maximumReadBytes = 8 * 1024 * 1024

/**
 * Deletes exactly the acknowledged rows and answers the lowest live ones from `floor` on, in id order, less those in flight: one
 * statement, for a round trip costs more than either. Reading the *lowest live* ids, and not those above the last one seen, is what
 * loses no row: ids become visible out of order. `limit` is in rows.
 */
export const removeAndRead = (
  acknowledged: ReadonlyArray<string>,
  floor: bigint,
  inFlight: ReadonlyArray<string>,
  limit: number,
): Effect.Effect<ReadonlyArray<OutboxRow>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const lowest = sql<StoredRow>`
      SELECT id, topic, key, value, headers::text AS headers
      FROM (
        SELECT id, topic, key, value, headers,
          sum(octet_length(value)) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - octet_length(value) AS bytes_before
        FROM outbox_events
        WHERE id >= ${floor.toString()}::bigint AND NOT id <@ ${multirange([...acknowledged, ...inFlight])}::int8multirange
        ORDER BY id LIMIT ${limit}
      ) AS lowest
      WHERE coalesce(bytes_before, 0) < ${maximumReadBytes}
      ORDER BY id`
    if (acknowledged.length === 0) return fromStored(yield* lowest)
    // Nobody waits for the disk: rows that come back after the server's crash are published twice, as after a crash of the relay.
    return fromStored(
      yield* sql<StoredRow>`
        WITH commit AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS mode), removed AS (
          DELETE FROM outbox_events
          WHERE id = ANY(${`{${acknowledged.join(",")}}`}::bigint[]) AND (SELECT mode FROM commit) = 'off'
        ) ${lowest}`,
    )
  })

/** Deletes rows that are acknowledged. */
export const remove = (ids: ReadonlyArray<string>): Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    if (ids.length === 0) return
    const sql = yield* SqlClient.SqlClient
    yield* sql`DELETE FROM outbox_events WHERE id = ANY(${`{${ids.join(",")}}`}::bigint[])`
  })

interface StoredRow extends Omit<OutboxRow, "headers"> {
  /** JSON. */
  readonly headers: string
}

/** The messages of a service have few different headers, so that most rows share theirs with the row before. */
const fromStored = (rows: ReadonlyArray<StoredRow>): ReadonlyArray<OutboxRow> => {
  let text = "{}"
  let headers: OutboxRow["headers"] = {}
  return rows.map((row) => {
    if (row.headers !== text) {
      text = row.headers
      headers = JSON.parse(text)
    }
    return { id: row.id, topic: row.topic, key: row.key, value: row.value, headers }
  })
}

/**
 * Ids as the ranges of consecutive ones that they make, for `<@` looks among ranges in logarithmic time; `id <> ALL (array)` walks the
 * whole array for each row, which was four fifths of a batch of 1,000.
 */
const multirange = (ids: ReadonlyArray<string>): string => {
  const ranges: Array<string> = []
  let from = 0
  let to = -1
  for (const id of ids.map(Number).sort((a, b) => a - b)) {
    if (id !== to + 1) {
      if (to >= from) ranges.push(`[${from},${to}]`)
      from = id
    }
    to = id
  }
  if (to >= from) ranges.push(`[${from},${to}]`)
  return `{${ranges.join(",")}}`
}

/** How many rows wait from `floor` on, counted to `limit`, and the age of the first of them in seconds, 0 when none waits. */
export const waiting = (
  floor: bigint,
  limit: number,
): Effect.Effect<{ readonly depth: number; readonly oldestAge: number }, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly depth: string; readonly oldestAge: number }>`
      SELECT count(*) AS depth,
        coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS "oldestAge"
      FROM (
        SELECT created_at FROM outbox_events WHERE id >= ${floor.toString()}::bigint ORDER BY id LIMIT ${limit}
      ) AS waiting`
    return { depth: Number(rows[0]?.depth ?? 0), oldestAge: rows[0]?.oldestAge ?? 0 }
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
