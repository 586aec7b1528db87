import * as Reactivity from "@effect/experimental/Reactivity"
import { type SqlClient, SqlError, type Statement } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Data, Effect, type Redacted, type Scope } from "effect"

/** A database cannot be read, or is not the one that it should be. The message is a sentence for the terminal, without secrets. */
export class CannotCheck extends Data.TaggedError("CannotCheck")<{ readonly database: string; readonly why: string }> {
  override get message(): string {
    return `The ${this.database} database cannot be checked: ${this.why}.`
  }
}

/** A database as it was at one moment. */
export interface Snapshot {
  readonly sql: SqlClient.SqlClient
  /** Runs a statement in the snapshot. Not concurrently with another one: it is one connection. */
  readonly read: <A extends object>(statement: Statement.Statement<A>) => Effect.Effect<ReadonlyArray<A>, CannotCheck>
}

/** What the driver says, innermost first: the outer errors only tell that something failed. */
export const innermost = (fault: unknown): string => {
  if (fault instanceof AggregateError && fault.errors.length > 0) return innermost(fault.errors[0])
  if (!(fault instanceof Error)) return String(fault)
  return fault.cause === undefined ? fault.message : innermost(fault.cause)
}

const refused = (database: string) => (fault: SqlError.SqlError) =>
  new CannotCheck({ database, why: innermost(fault).replace(/\.$/, "") })

/** Connections of our own to a database; `name` is how it is called towards a person. */
export const connect = (
  name: string,
  url: Redacted.Redacted,
): Effect.Effect<PgClient.PgClient, CannotCheck, Scope.Scope> =>
  PgClient.make({ url, applicationName: "tandem-reconcile", maxConnections: 2, connectTimeout: "5 seconds" }).pipe(
    Effect.mapError(refused(name)),
    Effect.provide(Reactivity.layer),
  )

/**
 * Opens a snapshot: one read-only transaction of isolation REPEATABLE READ, without the timeouts that the role or the database may
 * have. It goes by statements on a connection held by hand, since a transaction of the client belongs to the fiber, and a second
 * database's statements would land in it.
 */
export const open = (
  name: string,
  sql: SqlClient.SqlClient,
  tables: ReadonlyArray<string>,
): Effect.Effect<Snapshot, CannotCheck, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* sql.reserve
    const run = (text: string) => connection.executeUnprepared(text, [], undefined)
    yield* Effect.acquireRelease(run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"), () =>
      Effect.ignore(run("ROLLBACK")),
    )
    yield* run("SET LOCAL statement_timeout = 0")
    yield* run("SET LOCAL lock_timeout = 0")
    yield* run("SET LOCAL idle_in_transaction_session_timeout = 0")
    const read: Snapshot["read"] = (statement) => {
      const [text, parameters] = statement.compile()
      return Effect.mapError(connection.execute(text, parameters, undefined), refused(name))
    }
    const missing = yield* read(sql<{ name: string }>`
      SELECT name FROM unnest(${[...tables]}::text[]) AS name WHERE to_regclass(name) IS NULL`)
    if (missing.length > 0) {
      const why = `it has no table ${missing.map((table) => table.name).join(", ")}; is the address right`
      return yield* new CannotCheck({ database: name, why })
    }
    return { sql, read }
  }).pipe(Effect.catchAll((fault) => (fault instanceof SqlError.SqlError ? refused(name)(fault) : fault)))
