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

const deadLetterLife = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    ALTER TABLE dead_letters
      ADD COLUMN status text NOT NULL DEFAULT 'pending',
      ADD COLUMN resolved_at timestamptz,
      ADD CONSTRAINT dead_letters_status CHECK (status IN ('pending', 'replay-requested', 'replayed', 'discarded')),
      ADD CONSTRAINT dead_letters_are_resolved_once CHECK (
        (resolved_at IS NOT NULL) = (status IN ('replayed', 'discarded'))
      )`
  yield* sql`CREATE INDEX dead_letters_to_replay ON dead_letters (consumer, id) WHERE status = 'replay-requested'`
  yield* sql`CREATE INDEX dead_letters_resolved ON dead_letters (resolved_at) WHERE resolved_at IS NOT NULL`
  yield* sql`
    CREATE FUNCTION dead_letters_keep_their_end() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'dead letter % is %', old.id, old.status USING ERRCODE = 'check_violation';
    END $$`
  yield* sql`
    CREATE TRIGGER dead_letters_keep_their_end BEFORE UPDATE ON dead_letters
    FOR EACH ROW WHEN (old.resolved_at IS NOT NULL) EXECUTE FUNCTION dead_letters_keep_their_end()`
  yield* sql`
    CREATE TABLE dead_letter_actions (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      letter_id bigint NOT NULL REFERENCES dead_letters ON DELETE CASCADE,
      action text NOT NULL CHECK (action IN ('replay-requested', 'replayed', 'replay-failed', 'discarded')),
      actor text NOT NULL CHECK (actor <> ''),
      reason text,
      at timestamptz NOT NULL DEFAULT clock_timestamp(),
      CONSTRAINT dead_letters_are_discarded_for_a_reason CHECK (action <> 'discarded' OR coalesce(reason, '') <> '')
    )`
  yield* sql`CREATE INDEX dead_letter_actions_by_letter ON dead_letter_actions (letter_id)`
})

// Retention finds what is old by it (docs/adr/0005). New entries go to its right end, which costs an insert next to nothing.
const inboxByAge = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`CREATE INDEX inbox_events_by_age ON inbox_events (received_at)`,
)

// A statement that has gone wrong cannot take itself back, but by failing: like a lost race for a row, it is tried again.
const conflict = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`
    CREATE FUNCTION messaging_conflict(what text) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'changed meanwhile: %', what USING ERRCODE = 'serialization_failure', CONSTRAINT = what;
    END $$`,
)

/** The kit's tables: `outbox_events`, `relay_leases`, `inbox_events`, `dead_letters`, `dead_letter_actions`. Hand it to `migrate` before your own. */
export const messagingSchema: MigrationNamespace = {
  table: "messaging_migrations",
  migrations: {
    "0001_outbox": outbox,
    "0002_inbox": inbox,
    "0003_dead_letter_life": deadLetterLife,
    "0004_inbox_by_age": inboxByAge,
    "0005_conflict": conflict,
  },
}
