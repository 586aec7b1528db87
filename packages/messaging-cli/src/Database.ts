import * as Options from "@effect/cli/Options"
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Config, Data, Effect, type Redacted } from "effect"

/** The tool cannot do what it was asked. The message is a sentence for the terminal. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

/** `--database-url`, or DATABASE_URL. */
export const databaseUrl = Options.redacted("database-url").pipe(
  Options.withFallbackConfig(Config.redacted("DATABASE_URL")),
  Options.withDescription("The service's own database, postgres://…; DATABASE_URL when absent"),
)

const innermost = (fault: unknown): string => {
  if (!(fault instanceof Error)) return String(fault)
  // Where several addresses of one host refuse, the error that holds them says nothing itself.
  if (fault instanceof AggregateError && fault.message === "") return innermost(fault.errors[0])
  return fault.cause === undefined ? fault.message : innermost(fault.cause)
}

/** Runs on one connection to the database, after a look whether the kit's tables are there. */
export const withDatabase =
  (url: Redacted.Redacted) =>
  <A, E extends Error, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, Refused, Exclude<R, SqlClient.SqlClient>> =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tables = yield* sql`SELECT 1 WHERE to_regclass('dead_letter_actions') IS NOT NULL`
      if (tables.length === 0) {
        return yield* new Refused({
          message:
            "The database has no tables of the messaging kit, or older ones: start the service once to bring it up to date.",
        })
      }
      return yield* self
    }).pipe(
      Effect.provide(PgClient.layer({ url, maxConnections: 1, applicationName: "tandem-messaging" })),
      Effect.mapError((fault) =>
        fault instanceof Refused
          ? fault
          : new Refused({ message: `The database cannot be used: ${innermost(fault)}.` }),
      ),
    )
