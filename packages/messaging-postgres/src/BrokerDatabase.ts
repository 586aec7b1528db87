import * as Reactivity from "@effect/experimental/Reactivity"
import { type Migrator, SqlClient, type SqlError } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { migrate } from "@tandem/messaging/Migrations"
import { guardDefects } from "@tandem/messaging/Transaction"
import { Context, Data, type Duration, Effect, Redacted, type Scope } from "effect"
import { Pool } from "pg"
import { brokerSchema } from "./BrokerSchema.js"
import { PreparedClient } from "./PreparedClient.js"

/** Where the broker's database is and how many connections it may have. */
export interface BrokerDatabaseOptions {
  readonly url: Redacted.Redacted | string
  readonly maxConnections: number
  readonly applicationName: string
}

/** A statement failed, or the tables could not be made. */
export type DatabaseFault = SqlError.SqlError | Migrator.MigrationError

/** The broker's own database. Its clients are private to the broker: a service's `SqlClient` is another one. */
export interface BrokerDatabase {
  /** With `statement_timeout` 10 s, `lock_timeout` 3 s, `idle_in_transaction_session_timeout` 3 s, `enable_seqscan` off and TCP keepalive. */
  readonly sql: SqlClient.SqlClient
  /** Without these timeouts, two connections: for migrations and retention. */
  readonly maintenance: SqlClient.SqlClient
  /** Runs statements of either client, outside of whatever transaction the caller is in, after making the tables when they are missing. */
  readonly run: <A, E>(statements: Effect.Effect<A, E>) => Effect.Effect<A, E | DatabaseFault>
}

/** Timeouts in ms. A young table looks small to the planner, and a prepared statement would keep a plan that walks through all of it. */
const guarded = {
  statement_timeout: 10_000,
  lock_timeout: 3_000,
  idle_in_transaction_session_timeout: 3_000,
  enable_seqscan: "off",
}
const unlimited = { statement_timeout: 0, lock_timeout: 0, idle_in_transaction_session_timeout: 0 }
/** In seconds; the server's side, which gives back what a vanished machine held. */
const keepalives = { tcp_keepalives_idle: 10, tcp_keepalives_interval: 5, tcp_keepalives_count: 3 }

const withSettings = (address: string, settings: Readonly<Record<string, number | string>>): string => {
  const url = new URL(address)
  const ours = Object.entries({ ...settings, ...keepalives }).map(([name, value]) => `-c ${name}=${value}`)
  url.searchParams.set("options", [url.searchParams.get("options") ?? "", ...ours].join(" ").trim())
  return url.href
}

const client = (options: BrokerDatabaseOptions, max: number, settings: Readonly<Record<string, number | string>>) =>
  PgClient.fromPool({
    acquire: Effect.acquireRelease(
      Effect.sync(() => {
        const address = typeof options.url === "string" ? options.url : Redacted.value(options.url)
        const pool = new Pool({
          Client: PreparedClient,
          connectionString: withSettings(address, settings),
          application_name: options.applicationName,
          max,
          connectionTimeoutMillis: 5_000,
          idleTimeoutMillis: 30_000,
          keepAlive: true,
          keepAliveInitialDelayMillis: 10_000,
        })
        // The pool drops a connection that breaks while idle; the next statement tells if there is no other.
        pool.on("error", () => {})
        return pool
      }),
      (pool) => Effect.promise(() => pool.end()).pipe(Effect.interruptible, Effect.timeoutOption("1 second")),
    ),
  }).pipe(Effect.provide(Reactivity.layer))

/** A transaction is a service in the fiber's context, whatever client opened it: statements inside would run on its connection. */
const outsideTransactions = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.mapInputContext(self, (context: Context.Context<never>) =>
    Context.omit(SqlClient.TransactionConnection)(context as Context.Context<SqlClient.TransactionConnection>),
  )

/**
 * Interrupting a statement cancels its backend by a second connection, and the cancellation may hit the next statement of the
 * first one. So a statement that is given up runs to its end behind, for `statement_timeout` at most.
 */
const toItsEnd = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.disconnect(Effect.uninterruptible(self))

/** Connects when first used, so that a service starts while its broker is away. */
export const make = (options: BrokerDatabaseOptions): Effect.Effect<BrokerDatabase, SqlError.SqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const sql = yield* client(options, options.maxConnections, guarded)
    const maintenance = yield* client(options, 2, unlimited)
    const turn = yield* Effect.makeSemaphore(1)
    let isUpToDate = false
    const upToDate = Effect.suspend(() =>
      isUpToDate
        ? Effect.void
        : migrate([brokerSchema]).pipe(
            Effect.provideService(SqlClient.SqlClient, maintenance),
            Effect.zipRight(
              Effect.sync(() => {
                isUpToDate = true
              }),
            ),
          ),
    )
    const ready = Effect.suspend(() => (isUpToDate ? Effect.void : turn.withPermits(1)(upToDate)))
    return {
      sql,
      maintenance,
      run: (statements) => toItsEnd(outsideTransactions(Effect.zipRight(ready, guardDefects(statements)))),
    }
  })

/** The database did not answer in time; the statement may yet have its effect. */
export class NoAnswer extends Data.TaggedError("NoAnswer") {
  override get message(): string {
    return "the database does not answer"
  }
}

/**
 * Fails when there is no answer in time, also where the caller may not be interrupted. The statement may yet have its effect
 * afterwards.
 */
export const answeredWithin =
  (patience: Duration.DurationInput) =>
  <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E | NoAnswer> =>
    Effect.timeoutFail(Effect.interruptible(self), {
      duration: patience,
      onTimeout: () => new NoAnswer(),
    })

/** What the database said, for a person: the driver's fault below the one that only says that there was one. */
export const reason = (fault: unknown): unknown => {
  if (!(fault instanceof Error)) return fault
  if (fault.cause instanceof Error) return reason(fault.cause)
  // Node reports several refused addresses by an error without a message.
  if (fault instanceof AggregateError && fault.message === "") return reason(fault.errors[0])
  return fault
}
