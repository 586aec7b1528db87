import { SqlClient, type SqlError } from "@effect/sql"
import { Duration, Effect, type Scope } from "effect"
import { guardDefects } from "../Transaction.js"

/** How long a lease outlives its last renewal, by the database's clock. */
export const leaseDuration = Duration.seconds(3)

/** How often the holder renews, and how often the others try. So a dead holder is replaced within 4 s. */
export const leaseInterval = Duration.seconds(1)

/** A lease in `relay_leases`: a row, not an advisory lock, for a stopped process keeps its locks for as long as it is stopped. */
export interface Lease {
  /** Takes the lease or renews it; false while another owner holds it. */
  readonly hold: Effect.Effect<boolean, SqlError.SqlError>
}

/** A lease for `owner`; handed back when the scope closes, so that the next owner need not wait for its end. */
export const make = (name: string, owner: string): Effect.Effect<Lease, never, SqlClient.SqlClient | Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const seconds = Duration.toSeconds(leaseDuration)
    const hold = sql`
      INSERT INTO relay_leases (name, owner, expires_at)
      VALUES (${name}, ${owner}::uuid, clock_timestamp() + make_interval(secs => ${seconds}))
      ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
      WHERE relay_leases.owner = excluded.owner OR relay_leases.expires_at < clock_timestamp()
      RETURNING owner`.pipe(
      Effect.map((rows) => rows.length === 1),
      guardDefects,
      Effect.withTracerEnabled(false),
    )
    yield* Effect.addFinalizer(() =>
      sql`DELETE FROM relay_leases WHERE name = ${name} AND owner = ${owner}::uuid`.pipe(
        guardDefects,
        // Otherwise the timeout could not end the wait: finalizers run uninterruptibly.
        Effect.interruptible,
        Effect.timeout("1 second"),
        // The lease runs out by itself; a database that is gone must not hold up the shutdown.
        Effect.catchAll((error) => Effect.logDebug("the lease was not handed back", error)),
      ),
    )
    return { hold }
  })
