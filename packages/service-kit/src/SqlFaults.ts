import { SqlError } from "@effect/sql"

/** The SQLSTATE that the server gave, or undefined when the fault never came from a server (connection refused, lost, timed out). */
export const sqlState = (error: SqlError.SqlError): string | undefined => {
  const cause: unknown = error.cause
  return typeof cause === "object" &&
    cause !== null &&
    "severity" in cause &&
    "code" in cause &&
    typeof cause.code === "string"
    ? cause.code
    : undefined
}

/**
 * Classes 08 (connection), 53 (resources), 58 (system), the shutdown codes, and 25006, which a standby answers that is not yet or no longer
 * the primary: the whole server is out of reach, not one statement.
 */
const serverGone = /^(08|53|58|57P|25006)/

/** Serialization, deadlock, a lock or a statement that timed out, a transaction that was ended for idling: the next try may do. */
const passing = /^(40|55|57|25P)/

/**
 * The database as a whole cannot be reached, so that any other statement would fare the same: connection refused or lost, a pool
 * that gives no connection, a server that starts or stops, has no room, or is only to be read.
 */
export const isUnreachable = (error: unknown): boolean => {
  if (!(error instanceof SqlError.SqlError)) return false
  const state = sqlState(error)
  // A TypeError out of the driver is a bug in our statement, whatever the server's health.
  return state === undefined ? !(error.cause instanceof TypeError) : serverGone.test(state)
}

/** The fault passes by itself, so the same request may succeed later. Everything else (constraint, data, syntax) is a bug of ours. */
export const isTechnical = (error: unknown): boolean => {
  if (!(error instanceof SqlError.SqlError)) return false
  const state = sqlState(error)
  return isUnreachable(error) || (state !== undefined && passing.test(state))
}
