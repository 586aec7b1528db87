import type { IncomingMessage } from "node:http"
import type { SqlClient } from "@effect/sql"
import type { Access } from "@tandem/service-kit/auth/Access"
import { maySee } from "@tandem/service-kit/auth/Caller"
import type { Problem } from "@tandem/service-kit/ProblemDetails"
import { unavailable } from "@tandem/service-kit/Problems"
import { type Context, Effect, Option } from "effect"
import * as PushTickets from "../sql/PushTickets.js"

/** A stream that may be opened. */
export interface Permit {
  readonly userId: string
  /** When the caller's credentials expire, ms since the epoch; undefined where nobody is asked who he is. */
  readonly expiresAt: number | undefined
}

/** What is asked for: whose frames, and with which ticket; both may be absent. */
export interface StreamRequest {
  readonly userId: string | undefined
  readonly ticket: string | undefined
}

/**
 * Who may listen, for WebSocket and SSE alike. Whose frames is said by `userId`, and is the caller's own where that is absent.
 *
 * - no ticket, one that is unknown, used or too old, and no good token instead of it: `unauthorized`
 * - somebody else's frames, unless the caller is an operator: `not-found`
 * - auth off: a `userId` is needed, and nothing else is looked at
 * - too many requests, or a database or an issuer that does not answer: their problems
 */
export const permit = (
  access: Context.Tag.Service<Access>,
  request: IncomingMessage,
  { userId, ticket }: StreamRequest,
): Effect.Effect<Permit, Problem, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const caller =
      access.authenticates && ticket !== undefined
        ? yield* holderOf(access, request, ticket)
        : yield* yield* Effect.promise(() => access.identify(request))
    if (caller._tag === "Anyone") {
      return userId === undefined ? yield* Effect.fail(userIsMissing) : { userId, expiresAt: undefined }
    }
    const listenedTo = userId ?? caller.userId
    return maySee(caller, listenedTo)
      ? { userId: listenedTo, expiresAt: caller.expiresAt }
      : yield* Effect.fail(nothingHere)
  })

const holderOf = (access: Context.Tag.Service<Access>, request: IncomingMessage, ticket: string) =>
  Effect.gen(function* () {
    const refusal = yield* Effect.promise(async () => access.admit?.(request, undefined, false))
    if (refusal !== undefined) return yield* Effect.fail(refusal)
    const holder = yield* PushTickets.redeem(PushTickets.hashOf(ticket)).pipe(
      unavailable,
      Effect.mapError(({ detail }): Problem => ({ kind: "service-unavailable", detail })),
    )
    return yield* Effect.mapError(
      // A stream moves no money.
      Option.map(holder, (one) => ({ _tag: "User", canFund: false, ...one }) as const),
      () => badTicket,
    )
  })

const userIsMissing: Problem = {
  kind: "invalid-request",
  detail: "The request is invalid; errors says where and why.",
  errors: [{ parameter: "userId", detail: "must be 1 to 64 letters, digits, underscores or hyphens" }],
}

const nothingHere: Problem = { kind: "not-found", detail: "There is no such user's stream." }

const badTicket: Problem = {
  kind: "unauthorized",
  detail: "The ticket is unknown, used, or too old: POST /push-tickets gives another.",
  headers: { "www-authenticate": 'Bearer realm="tandem"' },
}
