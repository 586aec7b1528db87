import { SqlError } from "@effect/sql"
import { Cause, Chunk } from "effect"

/** The fault lies in the message: it would fail in the same way for ever. Everything else is technical. */
export const isDataFault = (cause: Cause.Cause<unknown>): boolean => {
  if (Cause.isInterrupted(cause)) return false
  const failures = [...Cause.failures(cause)]
  if (failures.length > 0) return failures.every(isDataError)
  return Chunk.isNonEmpty(Cause.defects(cause))
}

const isDataError = (error: unknown): boolean => {
  if (!(error instanceof SqlError.SqlError)) return false
  const code = sqlState(error)
  return code !== undefined && (code.startsWith("22") || code === "23514")
}

/** What the server called the fault; undefined when it was not the server's. */
export const sqlState = (error: SqlError.SqlError): string | undefined => {
  const cause = error.cause
  return typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined
}
