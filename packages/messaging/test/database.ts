import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { createTestDatabase } from "@tandem/dev-stack/TestPostgres"
import { messagingSchema } from "@tandem/messaging/MessagingSchema"
import { migrate } from "@tandem/messaging/Migrations"
import { Effect, Layer, Redacted, Schedule } from "effect"

/** A database of its own for a test, with the kit's tables and one of a user's. */
export const database = Layer.unwrapScoped(
  Effect.gen(function* () {
    const { url } = yield* Effect.acquireRelease(
      Effect.promise(() => createTestDatabase()),
      ({ drop }) => Effect.promise(() => drop()),
    )
    const client = PgClient.layer({ url: Redacted.make(url), maxConnections: 20 })
    const tables = Layer.effectDiscard(
      Effect.gen(function* () {
        yield* migrate([messagingSchema])
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE things (id text PRIMARY KEY, times integer NOT NULL)`
      }),
    )
    return Layer.provideMerge(tables, client)
  }),
)

/** Waits for a condition, looked at every few milliseconds, for 20 s at most. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("the condition never held") }),
  )
