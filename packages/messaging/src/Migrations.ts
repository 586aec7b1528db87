import { Migrator, SqlClient, type SqlError } from "@effect/sql"
import { Effect, Layer, Option } from "effect"
import { guardDefects } from "./Transaction.js"

/** Migrations by key, `NNNN_name`; each is one forward step, run once. */
export type MigrationRecord = Record<string, Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient>>

/** The migrations of one namespace: its own numbers, kept in its own table, so that packages that share a database do not collide. */
export interface MigrationNamespace {
  /** The table that remembers what has run, such as `messaging_migrations`. */
  readonly table: string
  readonly migrations: MigrationRecord
}

/** Chosen once, so that every instance waits on the same lock. */
const advisoryLock = 7_236_412_001n

const run = Migrator.make({})

/**
 * Brings a database up to date, all namespaces in the given order, in one transaction. Safe when several instances boot at
 * once: an advisory lock lets one do the work while the others wait. Run it on connections without `lock_timeout` and
 * `statement_timeout`, for a migration may take long.
 */
export const migrate = (
  namespaces: ReadonlyArray<MigrationNamespace>,
): Effect.Effect<void, SqlError.SqlError | Migrator.MigrationError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql
      .withTransaction(
        Effect.gen(function* () {
          yield* sql`SELECT pg_advisory_xact_lock(${advisoryLock.toString()}::bigint)`
          for (const { table, migrations } of namespaces) {
            // The Migrator finds out by a failing statement whether its table is there, which would end the transaction.
            yield* sql`CREATE TABLE IF NOT EXISTS ${sql(table)} (
              migration_id integer PRIMARY KEY,
              created_at timestamptz NOT NULL DEFAULT now(),
              name text NOT NULL
            )`
            yield* run({ loader: Migrator.fromRecord(migrations), table })
          }
        }),
      )
      .pipe(
        guardDefects,
        Effect.catchSomeDefect((defect) =>
          defect instanceof Migrator.MigrationError ? Option.some(Effect.fail(defect)) : Option.none(),
        ),
      )
  })

/** `migrate` as a layer, to be provided to what needs the tables. */
export const layer = (
  namespaces: ReadonlyArray<MigrationNamespace>,
): Layer.Layer<never, SqlError.SqlError | Migrator.MigrationError, SqlClient.SqlClient> =>
  Layer.effectDiscard(migrate(namespaces))
