import { SqlClient } from "@effect/sql"
import { Effect } from "effect"
import type { MigrationNamespace } from "./Migrations.js"

const outbox = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Rows live for milliseconds, so dead ones pile up at the pace of writing: vacuum early, or every read walks over them.
  yield* sql`
    CREATE TABLE outbox_events (
      id bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
      topic text NOT NULL,
      key text,
      value bytea,
      headers jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
      CONSTRAINT outbox_message_size CHECK (
        coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0) <= 900000
      )
    ) WITH (
      autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
      autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
      autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
      autovacuum_vacuum_cost_delay = 0
    )`
  yield* sql`
    CREATE TABLE relay_leases (
      name text PRIMARY KEY,
      owner uuid NOT NULL,
      expires_at timestamptz NOT NULL
    ) WITH (fillfactor = 50)`
})

const inbox = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE inbox_events (
      consumer text NOT NULL,
      message_id text NOT NULL,
      received_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (consumer, message_id)
    )`
  yield* sql`
    CREATE TABLE dead_letters (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      consumer text NOT NULL,
      topic text NOT NULL,
      partition integer NOT NULL,
      message_offset bigint NOT NULL,
      key bytea,
      value bytea,
      headers jsonb NOT NULL,
      error text NOT NULL,
      attempts integer NOT NULL,
      dead_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (consumer, topic, partition, message_offset)
    )`
})

/** The kit's tables: `outbox_events`, `relay_leases`, `inbox_events`, `dead_letters`. Hand it to `migrate` before your own. */
export const messagingSchema: MigrationNamespace = {
  table: "messaging_migrations",
  migrations: { "0001_outbox": outbox, "0002_inbox": inbox },
}
