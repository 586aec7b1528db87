import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { SqlClient, SqlError, type Statement } from "@effect/sql"
import { IdempotencyKeyReused, RequestInFlight } from "@tandem/contracts/http/Errors"
import { transaction } from "@tandem/messaging/Transaction"
import { Clock, Effect, Either, Exit } from "effect"
import { isNonEmptyReadonlyArray, type NonEmptyReadonlyArray } from "effect/Array"
import type { DirectAnswer, Done } from "../DirectRoutes.js"
import { textResponse } from "../Json.js"
import type { KeyedCommand } from "./IdempotencyKey.js"

/** A success as it is sent and kept: byte for byte the same each time. */
export interface KeptResponse {
  /** 200 to 299. */
  readonly status: number
  readonly location?: string
  /** JSON. */
  readonly body: string
}

/** What a keyed command came to: done now, or the answer of the first time again. */
export interface Answer {
  readonly response: KeptResponse
  readonly replayed: boolean
}

/** Why a key is of no use to its caller now. */
export type KeyConflict = RequestInFlight | IdempotencyKeyReused

/** How long an answer is kept, in hours. */
export const keptHours = 24

const kept = `${keptHours} hours`

const inFlight = () =>
  new RequestInFlight({ detail: "The first request with this Idempotency-Key is still being answered." })

const reused = () =>
  new IdempotencyKeyReused({ detail: "This Idempotency-Key was used for a request that says something else." })

interface ClaimRow {
  readonly claimed: boolean
  readonly same: boolean | null
  readonly status: number
  readonly location: string | null
  readonly body: string
}

/** What is under way in this process; two commands that share a transaction would both get a lock that belongs to it. */
const underWay = new Set<string>()

const nameOf = ({ caller, operation, key }: KeyedCommand): string => `${operation}\n${caller}\n${key}`

/**
 * Runs a command unless one under the same key runs in this process already: then {@link RequestInFlight}. Goes around whatever leads to
 * {@link answerOnce}.
 */
export const alone = <A, E, R>(keyed: KeyedCommand, run: Effect.Effect<A, E, R>) =>
  Effect.suspend((): Effect.Effect<A, E | RequestInFlight, R> => {
    const name = nameOf(keyed)
    if (underWay.has(name)) return Effect.fail(inFlight())
    underWay.add(name)
    return Effect.ensuring(
      run,
      Effect.sync(() => underWay.delete(name)),
    )
  })

/** How a command ended that others shared a statement with. */
type Ended = Exit.Exit<Either.Either<Answer, unknown>, unknown>

/** {@link alone} without a fiber, for a direct route: `done` hears how it ended, as `start` tells it. */
export const startAlone = (keyed: KeyedCommand, start: (end: (exit: Ended) => void) => void, done: Done): void => {
  const name = nameOf(keyed)
  const told = tell(done)
  if (underWay.has(name)) told(Exit.fail(inFlight()))
  else {
    underWay.add(name)
    start((exit) => {
      underWay.delete(name)
      told(exit)
    })
  }
}

/** Has a direct route hear how a command ended. */
export const tell =
  (done: Done) =>
  (exit: Ended): void =>
    done(Exit.map(Exit.flatMap(exit, Exit.fromEither), withHeaders))

/**
 * Does keyed commands once, in one transaction with the answers that are kept for 24 h. Each is its own: one that was done before is
 * answered again, one whose key is under way elsewhere or belongs to another command is told so, and the rest are written together.
 *
 * @param write does the commands that are new, inside the transaction, and answers in their order: right is a success, which is kept; left
 *   is not, so that the key stays free
 */
export const answerOnce = <A extends { readonly keyed: KeyedCommand }, Refused, E, R>(
  items: NonEmptyReadonlyArray<A>,
  write: (items: NonEmptyReadonlyArray<A>) => Effect.Effect<ReadonlyArray<Either.Either<KeptResponse, Refused>>, E, R>,
): Effect.Effect<
  ReadonlyArray<Either.Either<Answer, Refused | KeyConflict>>,
  E | SqlError.SqlError,
  R | SqlClient.SqlClient
> =>
  transaction(
    Effect.gen(function* () {
      const claims = yield* claim(items.map(({ keyed }) => keyed))
      const isNew = (index: number) => claims[index]?.claimed === true && claims[index].same === null
      const fresh = items.filter((_, index) => isNew(index))
      const written = isNonEmptyReadonlyArray(fresh) ? yield* write(fresh) : []
      yield* keep(
        fresh.flatMap(({ keyed }, index) => {
          const result = written[index]
          return result !== undefined && Either.isRight(result) ? [{ keyed, response: result.right }] : []
        }),
      )
      if (written.length !== fresh.length) {
        return yield* Effect.dieMessage(`${written.length} answers to ${fresh.length} commands`)
      }
      const results = written.values()
      return claims.map((row, index): Either.Either<Answer, Refused | KeyConflict> => {
        const result = isNew(index) ? results.next().value : undefined
        return result === undefined
          ? remembered(row)
          : Either.map(result, (response): Answer => ({ response, replayed: false }))
      })
    }),
  )

const remembered = ({ claimed, same, status, location, body }: ClaimRow): Either.Either<Answer, KeyConflict> => {
  if (!claimed) return Either.left(inFlight())
  if (same !== true) return Either.left(reused())
  return Either.right({ response: { status, body, ...(location === null ? {} : { location }) }, replayed: true })
}

const claim = (commands: ReadonlyArray<KeyedCommand>) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<ClaimRow>`
      SELECT claimed, same, status, location, body FROM claim_idempotency_keys(
        ${commands.map(({ caller }) => caller)}::text[], ${commands.map(({ operation }) => operation)}::text[],
        ${commands.map(({ key }) => key)}::text[], ${commands.map(({ fingerprint }) => fingerprint)}::bytea[],
        ${kept}::interval
      )`,
  )

/**
 * A shorter way for commands whose answers are known before they are done: a data-modifying `idempotency_rows AS (INSERT …)` to stand in
 * the `WITH` of the statement that does them, which is one round trip instead of five. When any of the keys is in use, now or from before, the
 * statement fails as a whole, with a fault that {@link isKeyInUse} knows, and {@link answerOnce} finds out which.
 */
export const idempotencyRows = (
  sql: SqlClient.SqlClient,
  answers: ReadonlyArray<{ readonly keyed: KeyedCommand; readonly response: KeptResponse }>,
  at: string,
): Statement.Fragment => {
  const callers = answers.map(({ keyed }) => keyed.caller)
  const operations = answers.map(({ keyed }) => keyed.operation)
  const keys = answers.map(({ keyed }) => keyed.key)
  return sql`idempotency_rows AS (
    INSERT INTO idempotency_keys (caller, operation, key, fingerprint, status, location, body, at)
    SELECT caller, operation, key, fingerprint, status, location, body, ${at}::timestamptz
    FROM (SELECT hold_idempotency_keys(${callers}::text[], ${operations}::text[], ${keys}::text[]) AS held OFFSET 0) AS locks
    CROSS JOIN LATERAL unnest(
      ${callers}::text[], ${operations}::text[], ${keys}::text[],
      ${answers.map(({ keyed }) => keyed.fingerprint)}::bytea[],
      ${answers.map(({ response }) => response.status)}::smallint[],
      ${answers.map(({ response }) => response.location ?? null)}::text[],
      ${answers.map(({ response }) => response.body)}::text[]
    ) AS answer (caller, operation, key, fingerprint, status, location, body)
    WHERE held
  )`
}

/** Whether a statement with {@link idempotencyRows} failed because a key is in use. */
export const isKeyInUse = (fault: unknown): boolean => {
  if (!(fault instanceof SqlError.SqlError)) return false
  const { code, constraint } = (fault.cause ?? {}) as { readonly code?: unknown; readonly constraint?: unknown }
  return code === "55P03" || (code === "23505" && constraint === "idempotency_keys_pkey")
}

/** Under the locks nobody else writes these keys: what a row conflicts with is too old to count. */
const keep = (answers: ReadonlyArray<{ readonly keyed: KeyedCommand; readonly response: KeptResponse }>) =>
  Effect.gen(function* () {
    if (answers.length === 0) return
    const sql = yield* SqlClient.SqlClient
    const at = new Date(yield* Clock.currentTimeMillis).toISOString()
    const rows = yield* sql`
      INSERT INTO idempotency_keys (caller, operation, key, fingerprint, status, location, body, at)
      SELECT caller, operation, key, fingerprint, status, location, body, ${at}::timestamptz
      FROM unnest(
        ${answers.map(({ keyed }) => keyed.caller)}::text[], ${answers.map(({ keyed }) => keyed.operation)}::text[],
        ${answers.map(({ keyed }) => keyed.key)}::text[], ${answers.map(({ keyed }) => keyed.fingerprint)}::bytea[],
        ${answers.map(({ response }) => response.status)}::smallint[],
        ${answers.map(({ response }) => response.location ?? null)}::text[],
        ${answers.map(({ response }) => response.body)}::text[]
      ) AS answer (caller, operation, key, fingerprint, status, location, body)
      ON CONFLICT (caller, operation, key) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, location = excluded.location, body = excluded.body,
        at = excluded.at
      WHERE idempotency_keys.at <= clock_timestamp() - ${kept}::interval
      RETURNING 1`
    if (rows.length !== answers.length)
      return yield* Effect.dieMessage("an idempotency key was written behind its lock")
  })

/** The answer with its headers: where what was made is, and `Idempotent-Replayed: true` on one that was given before. */
export const withHeaders = ({ response: { status, location, body }, replayed }: Answer): DirectAnswer => ({
  status,
  body,
  headers: {
    ...(location === undefined ? {} : { location }),
    ...(replayed ? { "idempotent-replayed": "true" } : {}),
  },
})

/** The answer as a response of Effect. */
export const respond = (answer: Answer): HttpServerResponse.HttpServerResponse => {
  const { body, ...how } = withHeaders(answer)
  return textResponse(body, "application/json", how)
}
