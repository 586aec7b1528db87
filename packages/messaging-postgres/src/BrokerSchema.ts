import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect } from "effect"

const log = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE topics (
      name text PRIMARY KEY,
      partitions integer NOT NULL CHECK (partitions > 0),
      retention interval NOT NULL
    )`
  yield* sql`
    CREATE TABLE partitions (
      topic text NOT NULL REFERENCES topics,
      partition integer NOT NULL,
      next_offset bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (topic, partition)
    ) WITH (fillfactor = 50)`
  yield* sql`
    CREATE TABLE records (
      topic text NOT NULL,
      partition integer NOT NULL,
      record_offset bigint NOT NULL,
      key bytea,
      value bytea,
      headers jsonb NOT NULL,
      published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      PRIMARY KEY (topic, partition, record_offset),
      FOREIGN KEY (topic, partition) REFERENCES partitions
    ) WITH (autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000)`
  // A function, so that a batch costs one round trip; each of its statements sees what was committed before it. The rows of
  // partitions stay locked until the commit, so offsets become visible in order and have no holes.
  yield* sql`
    CREATE FUNCTION publish(
      in_topics text[], in_partitions integer[], in_keys bytea[], in_values bytea[], in_headers text[]
    ) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM 1 FROM partitions
      WHERE (topic, partition) IN (SELECT * FROM unnest(in_topics, in_partitions))
      ORDER BY topic, partition FOR NO KEY UPDATE;
      WITH message AS (
        SELECT * FROM unnest(in_topics, in_partitions, in_keys, in_values, in_headers)
          WITH ORDINALITY AS m (topic, partition, key, value, headers, position)
      ), taken AS (
        UPDATE partitions SET next_offset = next_offset + counted.n
        FROM (SELECT topic, partition, count(*) AS n FROM message GROUP BY topic, partition) AS counted
        WHERE partitions.topic = counted.topic AND partitions.partition = counted.partition
        RETURNING partitions.topic, partitions.partition, partitions.next_offset - counted.n AS base
      )
      INSERT INTO records (topic, partition, record_offset, key, value, headers)
      SELECT message.topic, message.partition,
        taken.base - 1 + row_number() OVER (PARTITION BY message.topic, message.partition ORDER BY message.position),
        message.key, message.value, message.headers::jsonb
      FROM message JOIN taken ON taken.topic = message.topic AND taken.partition = message.partition;
    END $$`
})

const groups = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE group_members (
      group_name text NOT NULL,
      member uuid NOT NULL,
      topics text[] NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (group_name, member)
    ) WITH (fillfactor = 50)`
  yield* sql`
    CREATE TABLE group_partitions (
      group_name text NOT NULL,
      topic text NOT NULL,
      partition integer NOT NULL,
      committed bigint NOT NULL DEFAULT 0,
      owner uuid,
      epoch bigint NOT NULL DEFAULT 0,
      expires_at timestamptz NOT NULL DEFAULT '-infinity',
      PRIMARY KEY (group_name, topic, partition)
    ) WITH (fillfactor = 50)`
})

const hardening = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A message for a partition that is not there fails the call; joined away it would be lost, and its sender told that it is stored.
  yield* sql`
    CREATE OR REPLACE FUNCTION publish(
      in_topics text[], in_partitions integer[], in_keys bytea[], in_values bytea[], in_headers text[]
    ) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
      appended integer;
    BEGIN
      PERFORM 1 FROM partitions
      WHERE (topic, partition) IN (SELECT * FROM unnest(in_topics, in_partitions))
      ORDER BY topic, partition FOR NO KEY UPDATE;
      WITH message AS (
        SELECT * FROM unnest(in_topics, in_partitions, in_keys, in_values, in_headers)
          WITH ORDINALITY AS m (topic, partition, key, value, headers, position)
      ), taken AS (
        UPDATE partitions SET next_offset = next_offset + counted.n
        FROM (SELECT topic, partition, count(*) AS n FROM message GROUP BY topic, partition) AS counted
        WHERE partitions.topic = counted.topic AND partitions.partition = counted.partition
        RETURNING partitions.topic, partitions.partition, partitions.next_offset - counted.n AS base
      )
      INSERT INTO records (topic, partition, record_offset, key, value, headers)
      SELECT message.topic, message.partition,
        taken.base - 1 + row_number() OVER (PARTITION BY message.topic, message.partition ORDER BY message.position),
        message.key, message.value, message.headers::jsonb
      FROM message JOIN taken ON taken.topic = message.topic AND taken.partition = message.partition;
      GET DIAGNOSTICS appended = ROW_COUNT;
      IF appended <> cardinality(in_topics) THEN
        RAISE EXCEPTION 'there is no such topic or partition' USING ERRCODE = 'no_data_found';
      END IF;
    END $$`
  // That check says as much as the foreign key did, which took nearly half of what PostgreSQL spent on a record (28 → 16 µs each).
  yield* sql`ALTER TABLE records DROP CONSTRAINT records_topic_partition_fkey`
  // Small tables whose rows are updated all the time: vacuumed early, they stay small, and every read scans them.
  for (const table of ["partitions", "group_members", "group_partitions"]) {
    yield* sql`
      ALTER TABLE ${sql(table)} SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)`
  }
})

/**
 * The broker's tables. `topics` and `partitions`, whose `next_offset` the next record gets; `records`, dense by offset;
 * `group_members`, alive until `expires_at`; `group_partitions`, a group's offset in a partition together with the lease on it: who
 * works on it, until when, and the epoch, which grows whenever the lease changes hands.
 */
export const brokerSchema: MigrationNamespace = {
  table: "broker_migrations",
  migrations: { "0001_log": log, "0002_groups": groups, "0003_hardening": hardening },
}
