import { createHash } from "node:crypto"
import { SqlClient, type SqlError } from "@effect/sql"
import { Effect, Option } from "effect"

/** How long a ticket may be used, in seconds. */
const validFor = 30

/** So many expired tickets are cleared away with each new one, so that the table does not grow. */
const cleared = 20

/** Who may listen with a ticket. */
export interface TicketHolder {
  readonly userId: string
  /** May listen to everybody. */
  readonly operator: boolean
  /** When the token that the ticket was had for expires, ms since the epoch. */
  readonly expiresAt: number
}

/** What is kept of a ticket: who reads the database cannot listen. */
export const hashOf = (ticket: string): Uint8Array => createHash("sha256").update(ticket).digest()

/** Writes down a ticket by its hash; answers until when it may be used. */
export const issue = (
  hash: Uint8Array,
  { userId, operator, expiresAt }: TicketHolder,
): Effect.Effect<Date, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    // The database's clock, for another instance may be asked to redeem it.
    const rows = yield* sql<{ readonly expiresAt: Date }>`
      WITH cleared AS (
        DELETE FROM push_tickets WHERE hash IN (
          SELECT hash FROM push_tickets WHERE expires_at <= clock_timestamp()
          ORDER BY expires_at LIMIT ${cleared} FOR UPDATE SKIP LOCKED
        )
      )
      INSERT INTO push_tickets (hash, user_id, operator, token_expires_at, expires_at)
      VALUES (
        ${hash}::bytea, ${userId}, ${operator}, ${new Date(expiresAt).toISOString()}::timestamptz,
        clock_timestamp() + make_interval(secs => ${validFor})
      )
      RETURNING expires_at AS "expiresAt"`
    const row = rows[0]
    return row === undefined ? yield* Effect.dieMessage("a ticket was not written") : row.expiresAt
  })

/** Takes a ticket away and tells whose it was; none when there is none, when it is too late for it, and the second time. */
export const redeem = (
  hash: Uint8Array,
): Effect.Effect<Option.Option<TicketHolder>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ userId: string; operator: boolean; expiresAt: Date; valid: boolean }>`
      DELETE FROM push_tickets WHERE hash = ${hash}::bytea
      RETURNING user_id AS "userId", operator, token_expires_at AS "expiresAt",
        clock_timestamp() < least(expires_at, token_expires_at) AS valid`
    return Option.fromNullable(rows[0]).pipe(
      Option.filter(({ valid }) => valid),
      Option.map(({ userId, operator, expiresAt }) => ({ userId, operator, expiresAt: expiresAt.getTime() })),
    )
  })
