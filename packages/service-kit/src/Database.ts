import { type Migrator, SqlClient, SqlError } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { type MigrationNamespace, migrate } from "@tandem/messaging/Migrations"
import { Context, Data, Duration, Effect, Layer, Redacted, Schedule } from "effect"
import { Pool } from "pg"
import { HealthChecks } from "./Health.js"
import { PreparedClient } from "./PreparedClient.js"
import { isUnreachable } from "./SqlFaults.js"
import * as PoolMetrics from "./telemetry/PoolMetrics.js"

/** A service's own database. */
export interface DatabaseOptions {
  readonly url: Redacted.Redacted
  /** How the service's connections are called in `pg_stat_activity`. */
  readonly applicationName: string
  /** The most connections for requests and messages; 10 when absent. Two more are kept for maintenance. */
  readonly maxConnections?: number
}

/** The database answers, and refuses to be used or to be brought up to date. The message is a sentence for the terminal. */
export class DatabaseRefused extends Data.TaggedError("DatabaseRefused")<{ readonly cause: unknown }> {
  override get message(): string {
    return `The database cannot be used: ${innermost(this.cause)}.`
  }
}

const innermost = (fault: unknown): string => {
  if (!(fault instanceof Error)) return String(fault)
  return fault.cause === undefined ? fault.message : innermost(fault.cause)
}

/**
 * The same database over connections without timeouts, for what may take long and holds up nobody: retention, reconciliation. Never
 * within a transaction of the other client: that one's connection would be used.
 */
export class Maintenance extends Context.Tag("@tandem/service-kit/Maintenance")<Maintenance, SqlClient.SqlClient>() {}

/** Runs a layer over the connections for maintenance instead of those for requests. */
export const maintained = <A, E, R>(
  self: Layer.Layer<A, E, R>,
): Layer.Layer<A, E, Exclude<R, SqlClient.SqlClient> | Maintenance> =>
  Layer.provide(self, Layer.effect(SqlClient.SqlClient, Maintenance))

/** What the server does differently for one kind of connection: names and values of its settings. */
interface Settings {
  readonly statement_timeout: number
  readonly lock_timeout: number
  readonly idle_in_transaction_session_timeout: number
  readonly enable_seqscan?: "off"
}

/**
 * Timeouts in ms. A process that is frozen in a transaction keeps its locks for as long as the server lets it, and its successor waits: so the
 * server ends such a transaction after 3 s, and nobody waits longer than that for a lock.
 *
 * Requests and messages find their rows by an index. A table that is young looks small to the planner until autovacuum has counted it, a
 * minute or more, and a prepared statement keeps its plan: the settlement walked through all of 6,000 orders for each batch.
 */
const guarded: Settings = {
  statement_timeout: 10_000,
  lock_timeout: 3_000,
  idle_in_transaction_session_timeout: 3_000,
  enable_seqscan: "off",
}

const unlimited: Settings = { statement_timeout: 0, lock_timeout: 0, idle_in_transaction_session_timeout: 0 }

/** 100 ms, doubled up to 2 s, jittered, for ever: whoever starts the service decides how long it may wait for its database. */
const untilThere = Schedule.jittered(
  Schedule.delayed(Schedule.exponential("100 millis"), (delay) => Duration.min(delay, "2 seconds")),
)

const client = (options: DatabaseOptions, max: number, settings: Settings) =>
  PgClient.layerFromPool({
    acquire: Effect.acquireRelease(
      Effect.sync(() => {
        const pool = new Pool({
          Client: PreparedClient,
          connectionString: Redacted.value(options.url),
          application_name: options.applicationName,
          max,
          connectionTimeoutMillis: 5_000,
          idleTimeoutMillis: 30_000,
          keepAlive: true,
          keepAliveInitialDelayMillis: 10_000,
          // Not by the driver's own fields, which take a zero for "not set" and would leave the server's default.
          options: [
            ...Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`),
            // The server's side of it: a client whose machine vanished gives its locks back.
            "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
          ].join(" "),
        })
        // The pool drops a connection that breaks while idle; the next statement tells if there is no other.
        pool.on("error", () => {})
        return pool
      }).pipe(Effect.tap((pool) => PoolMetrics.watch(settings === guarded ? "requests" : "maintenance", pool))),
      (pool) => Effect.promise(() => pool.end()).pipe(Effect.interruptible, Effect.timeoutOption("1 second")),
    ),
  })

/** Brings the database up to date, and waits for it to be there. */
const migrated = (options: DatabaseOptions, namespaces: ReadonlyArray<MigrationNamespace>) =>
  Effect.gen(function* () {
    let told = false
    yield* migrate(namespaces).pipe(
      Effect.provide(client(options, 2, unlimited)),
      Effect.tapError((fault) => {
        if (told || !isNotThere(fault)) return Effect.void
        told = true
        return Effect.logInfo("waiting for the database", innermost(fault))
      }),
      Effect.retry({ while: isNotThere, schedule: untilThere }),
      Effect.mapError((cause) => new DatabaseRefused({ cause })),
    )
  })

const isNotThere = (fault: SqlError.SqlError | Migrator.MigrationError): boolean =>
  isUnreachable(fault instanceof SqlError.SqlError ? fault : fault.cause)

const readiness = Layer.scopedDiscard(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { register } = yield* HealthChecks
    yield* register("database", Effect.asVoid(sql`SELECT 1`))
  }),
)

/**
 * The service's database, up to date: waits until it is there, runs the migrations that it lacks (safe when several instances start
 * at once), then gives pooled connections with `statement_timeout` 10 s, `lock_timeout` 3 s,
 * `idle_in_transaction_session_timeout` 3 s, `enable_seqscan` off and TCP keepalive. Registers the readiness check `database`.
 */
export const layer = (
  options: DatabaseOptions,
  namespaces: ReadonlyArray<MigrationNamespace>,
): Layer.Layer<
  PgClient.PgClient | SqlClient.SqlClient | Maintenance,
  DatabaseRefused | SqlError.SqlError,
  HealthChecks
> => {
  const requests = client(options, options.maxConnections ?? 10, guarded)
  const maintenance = Layer.provide(Layer.effect(Maintenance, SqlClient.SqlClient), client(options, 2, unlimited))
  return Layer.provideMerge(readiness, Layer.merge(requests, maintenance)).pipe(
    Layer.provide(Layer.effectDiscard(migrated(options, namespaces))),
  )
}
