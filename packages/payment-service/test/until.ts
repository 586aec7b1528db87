import { SqlClient } from "@effect/sql"
import { Effect, Schedule } from "effect"

/** Waits for a condition, looked at every few milliseconds, for 20 s at most. */
export const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("5 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error("the condition never held") }),
  )

/** Somebody waits for a row that another transaction of this database holds. */
export const someoneWaits = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* until(
    Effect.map(
      sql`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      (rows) => rows.length > 0,
    ),
  )
})
