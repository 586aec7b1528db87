import type { SqlClient, SqlError } from "@effect/sql"
import type { TopicSpec } from "@tandem/messaging/Broker"
import { Effect } from "effect"

/** 30 days in ms. */
const defaultRetention = 30 * 24 * 60 * 60 * 1_000

/** Makes the topics that are missing, with their partitions; one that exists is left as it is. */
export const ensure = (
  sql: SqlClient.SqlClient,
  topics: ReadonlyArray<TopicSpec>,
): Effect.Effect<void, SqlError.SqlError> =>
  Effect.asVoid(sql`
    WITH made AS (
      INSERT INTO topics (name, partitions, retention)
      SELECT name, partitions, retention_ms * interval '1 millisecond' FROM unnest(
        ${topics.map(({ name }) => name)}::text[],
        ${topics.map(({ partitions }) => partitions)}::integer[],
        ${topics.map(({ retentionMs }) => retentionMs ?? defaultRetention)}::float8[]
      ) AS wanted (name, partitions, retention_ms)
      ORDER BY name
      ON CONFLICT DO NOTHING
      RETURNING name, partitions
    )
    INSERT INTO partitions (topic, partition)
    SELECT name, generate_series(0, partitions - 1) FROM made`)

/** How many partitions each topic has. A topic that is not there is absent. */
export const partitions = (
  sql: SqlClient.SqlClient,
  topics: ReadonlyArray<string>,
): Effect.Effect<ReadonlyMap<string, number>, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly name: string; readonly partitions: number }>`
      SELECT name, partitions FROM topics WHERE name = ANY(${topics}::text[])`,
    (rows) => new Map(rows.map(({ name, partitions }) => [name, partitions])),
  )

/**
 * Deletes records that are older than their topic keeps them, `limit` of each partition at most, oldest first. Answers how many.
 * One instance at a time: another one's call answers 0.
 */
export const deleteExpired = (sql: SqlClient.SqlClient, limit: number): Effect.Effect<number, SqlError.SqlError> =>
  Effect.map(
    sql<{ readonly deleted: number }>`
      WITH turn AS MATERIALIZED (
        SELECT pg_try_advisory_xact_lock(hashtextextended('broker retention', 0)) AS ours
      ), expired AS (
        SELECT partitions.topic, partitions.partition, oldest.record_offset
        FROM turn JOIN topics ON turn.ours JOIN partitions ON partitions.topic = topics.name
        CROSS JOIN LATERAL (
          SELECT record_offset, published_at FROM records
          WHERE records.topic = partitions.topic AND records.partition = partitions.partition
          ORDER BY record_offset LIMIT ${limit}
        ) AS oldest
        WHERE oldest.published_at < clock_timestamp() - topics.retention
      ), deleted AS (
        DELETE FROM records USING expired
        WHERE records.topic = expired.topic AND records.partition = expired.partition
          AND records.record_offset = expired.record_offset
        RETURNING 1
      )
      SELECT count(*)::integer AS deleted FROM deleted`,
    ([row]) => row?.deleted ?? 0,
  )
