import type { SqlClient, SqlError } from "@effect/sql"
import { Effect } from "effect"
import type { HeldLease, Identity } from "./GroupTable.js"
import type { Partition } from "./Partition.js"

/** A record to append. */
export interface NewRecord extends Partition {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Appends records, each partition's in the given order. One statement, which is a transaction by itself: offsets are dense and appear
 * in order, for `next_offset` is raised under a row lock that is held to the commit. Fails when a partition is not there.
 */
export const append = (
  sql: SqlClient.SqlClient,
  records: ReadonlyArray<NewRecord>,
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`
    SELECT publish(
      ${records.map(({ topic }) => topic)}::text[], ${records.map(({ partition }) => partition)}::integer[],
      ${records.map(({ key }) => key)}::bytea[], ${records.map(({ value }) => value)}::bytea[],
      ${records.map(({ headers }) => JSON.stringify(headers))}::text[])`)

/** A record as it was read; bigints are text, as the driver gives them. */
export interface RecordRow {
  /** Which of the leases it was read under, counted from 1. */
  readonly place: number
  readonly next_offset: string
  readonly record_offset: string
  /** In ms since the epoch. */
  readonly published: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
}

/** How much one read may bring of each partition. */
export interface ReadBounds {
  readonly messages: number
  /** No further record is read once there are so many bytes of values. */
  readonly bytes: number
}

/**
 * What waits from each lease's position on, ordered by lease and offset. A lease that is no longer the member's gives nothing. With
 * nothing new it looks at two small tables only, and never at the records.
 */
export const read = (
  sql: SqlClient.SqlClient,
  { group, member }: Identity,
  leases: ReadonlyArray<HeldLease>,
  bounds: ReadBounds,
): Effect.Effect<ReadonlyArray<RecordRow>, SqlError.SqlError> =>
  sql<RecordRow>`
    SELECT held.place::integer, head.next_offset, record.record_offset,
      floor(extract(epoch FROM record.published_at) * 1000)::float8 AS published,
      record.key, record.value, record.headers
    FROM unnest(
      ${leases.map(({ topic }) => topic)}::text[], ${leases.map(({ partition }) => partition)}::integer[],
      ${leases.map(({ epoch }) => epoch)}::bigint[], ${leases.map(({ position }) => position)}::bigint[]
    ) WITH ORDINALITY AS held (topic, partition, epoch, position, place)
    JOIN partitions AS head ON head.topic = held.topic AND head.partition = held.partition
      AND head.next_offset > held.position
    JOIN group_partitions AS lease ON lease.group_name = ${group} AND lease.topic = held.topic
      AND lease.partition = held.partition AND lease.epoch = held.epoch AND lease.owner = ${member}::uuid
    CROSS JOIN LATERAL (
      SELECT *, sum(size) OVER (ORDER BY record_offset) - size AS bytes_before
      FROM (
        SELECT record_offset, published_at, key, value, headers, coalesce(octet_length(value), 0) AS size FROM records
        WHERE records.topic = held.topic AND records.partition = held.partition AND record_offset >= held.position
        ORDER BY record_offset LIMIT ${bounds.messages}
      ) AS waiting
    ) AS record
    WHERE record.bytes_before < ${bounds.bytes}
    ORDER BY held.place, record.record_offset`
