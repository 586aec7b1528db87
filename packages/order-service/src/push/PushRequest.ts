import type { InvalidField } from "@tandem/contracts/Problem"
import { UserId } from "@tandem/contracts/UserId"
import { Either, Schema } from "effect"

/** Whose frames are asked for, and after which number; live only when that is absent. */
export interface PushRequest {
  /** Undefined when nobody is named. */
  readonly userId: string | undefined
  /** What lets the caller in where he is asked who he is. */
  readonly ticket: string | undefined
  readonly after: number | undefined
}

const isUserId = Schema.is(UserId)

/**
 * Reads the query of a stream; what is wrong with it is named parameter by parameter. A `Last-Event-ID`, which a browser sends when it connects
 * again, wins over `after`.
 */
export const read = (
  query: URLSearchParams,
  lastEventId?: string | ReadonlyArray<string>,
): Either.Either<PushRequest, ReadonlyArray<InvalidField>> => {
  const errors: Array<InvalidField> = []
  const [userId, ...otherUsers] = query.getAll("userId")
  if (otherUsers.length > 0) errors.push({ parameter: "userId", detail: "must be given once" })
  else if (userId !== undefined && !isUserId(userId)) {
    errors.push({ parameter: "userId", detail: "must be 1 to 64 letters, digits, underscores or hyphens" })
  }
  const [after, ...otherAfters] = query.getAll("after")
  const position = after === undefined || after === "" ? undefined : positionOf(after)
  if (otherAfters.length > 0) errors.push({ parameter: "after", detail: "must be given once" })
  else if (position !== undefined && Number.isNaN(position)) {
    errors.push({ parameter: "after", detail: "must be a whole number, 0 or more" })
  }
  const last = lastEventId === undefined || lastEventId === "" ? undefined : positionOf(String(lastEventId))
  if (last !== undefined && Number.isNaN(last)) {
    errors.push({ parameter: "Last-Event-ID", detail: "must be a whole number, 0 or more" })
  }
  const [ticket, ...otherTickets] = query.getAll("ticket")
  if (otherTickets.length > 0) errors.push({ parameter: "ticket", detail: "must be given once" })
  return errors.length > 0 ? Either.left(errors) : Either.right({ userId, ticket, after: last ?? position })
}

const positionOf = (text: string): number =>
  /^(0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : Number.NaN
