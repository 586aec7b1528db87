import { SqlClient, SqlError } from "@effect/sql"
import { Effect, Option } from "effect"

/**
 * Turns the defects that `@effect/sql` raises for a failed BEGIN or COMMIT, a lost connection or a failed migration into the
 * `SqlError` that they carry, so that a retry sees them.
 */
export const guardDefects = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError.SqlError, R> =>
  Effect.catchSomeDefect(self, (defect) =>
    defect instanceof SqlError.SqlError ? Option.some(Effect.fail(defect)) : Option.none(),
  )

/**
 * Runs `body` in a transaction and answers every technical fault as `SqlError`. A lost COMMIT is ambiguous: the work may be
 * committed or not, so retry only what is idempotent. Nothing inside may fork or run concurrently: the transaction belongs to
 * the fiber.
 */
export const transaction = <A, E, R>(
  body: Effect.Effect<A, E, R>,
): Effect.Effect<A, E | SqlError.SqlError, R | SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => guardDefects(sql.withTransaction(body)))
