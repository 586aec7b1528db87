import { SqlClient } from "@effect/sql"
import type { MigrationNamespace } from "@tandem/messaging/Migrations"
import { Effect } from "effect"

const keys = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE idempotency_keys (
      caller text NOT NULL,
      operation text NOT NULL,
      key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
      fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
      status smallint NOT NULL CHECK (status BETWEEN 200 AND 299),
      location text,
      body text NOT NULL,
      at timestamptz(3) NOT NULL,
      PRIMARY KEY (caller, operation, key)
    )`
  yield* sql`CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at)`
  // The look-up is a statement of its own: it sees what was committed before the lock was had. A plan made while the table was
  // small would read all of it once it has grown, so that only the index is left to choose.
  yield* sql`
    CREATE FUNCTION claim_idempotency_keys(
      callers text[], operations text[], keys text[], fingerprints bytea[], kept interval
    ) RETURNS TABLE (claimed boolean, same boolean, status smallint, location text, body text)
    LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    DECLARE
      locks boolean[];
    BEGIN
      locks := ARRAY(
        SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(E'\\n', c.operation, c.caller, c.key), 0))
        FROM unnest(callers, operations, keys) WITH ORDINALITY AS c (caller, operation, key, position) ORDER BY c.position
      );
      RETURN QUERY
        SELECT locks[c.position], k.fingerprint = c.fingerprint, k.status, k.location, k.body
        FROM unnest(callers, operations, keys, fingerprints) WITH ORDINALITY AS c (caller, operation, key, fingerprint, position)
        LEFT JOIN idempotency_keys AS k
          ON k.caller = c.caller AND k.operation = c.operation AND k.key = c.key AND k.at > clock_timestamp() - kept
        ORDER BY c.position;
    END $$`
  // For a statement that has no second look: either every key is free to be tried, or nothing is done at all.
  yield* sql`
    CREATE FUNCTION hold_idempotency_keys(callers text[], operations text[], keys text[]) RETURNS boolean
    LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT (
        SELECT bool_and(pg_try_advisory_xact_lock(hashtextextended(concat_ws(E'\\n', c.operation, c.caller, c.key), 0)))
        FROM unnest(callers, operations, keys) AS c (caller, operation, key)
      ) THEN
        RAISE EXCEPTION 'an idempotency key is in flight' USING ERRCODE = 'lock_not_available';
      END IF;
      RETURN true;
    END $$`
})

/** What idempotency keys need in a service's database. */
export const idempotencySchema: MigrationNamespace = {
  table: "idempotency_migrations",
  migrations: { "0001_idempotency_keys": keys },
}
