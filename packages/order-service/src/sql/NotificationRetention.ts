import { SqlClient } from "@effect/sql"
import * as RetrySchedules from "@tandem/messaging/RetrySchedules"
import { guardDefects } from "@tandem/messaging/Transaction"
import { Duration, Effect, Layer } from "effect"

/** So many notifications of one user are kept at most. */
export const maximumKept = 10_000

/** Users of one statement, and rows that it deletes of each: few enough that nobody waits for it. */
const users = 200
const rowsOfEach = 100

interface Step {
  /** The last user that was looked at; null when there is none after it. */
  readonly userId: string | null
  readonly deleted: number
  /** Somebody has more to delete than one statement takes. */
  readonly unfinished: boolean
}

/**
 * Looks at the users after one, in the order of their ids, and deletes the oldest notifications of each: those that are older than
 * `kept`, and those beyond `maximum`. Always from the lowest number upward, so that what is left has no gap; the counter stays for ever.
 */
const step = (after: string, kept: Duration.Duration, maximum: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Step>`
      WITH looked_at AS (
        SELECT user_id, seq FROM notification_counters WHERE user_id > ${after} ORDER BY user_id LIMIT ${users}
      ), due AS (
        SELECT user_id, upto, oldest FROM looked_at CROSS JOIN LATERAL (
          SELECT min(n.seq) AS oldest, max(n.seq) FILTER (
            WHERE n.at < clock_timestamp() - ${`${Duration.toSeconds(kept)} seconds`}::interval
              OR n.seq <= looked_at.seq - ${maximum}
          ) AS upto
          FROM (
            SELECT n.seq, n.at FROM notifications AS n WHERE n.user_id = looked_at.user_id ORDER BY n.seq LIMIT ${rowsOfEach}
          ) AS n
        ) AS of_one WHERE upto IS NOT NULL
      ), gone AS (
        DELETE FROM notifications AS n USING due WHERE n.user_id = due.user_id AND n.seq <= due.upto RETURNING 1
      )
      SELECT (SELECT max(user_id) FROM looked_at) AS "userId", (SELECT count(*) FROM gone)::integer AS deleted,
        EXISTS (SELECT FROM due WHERE upto - oldest + 1 >= ${rowsOfEach}) AS unfinished`
    return rows[0] ?? (yield* Effect.dieMessage("an aggregate gave no row"))
  })

/** One look at all users; answers how many notifications are gone. */
export const clean = (kept: Duration.DurationInput, maximum = maximumKept) =>
  Effect.gen(function* () {
    let after = ""
    let gone = 0
    for (;;) {
      const { userId, deleted, unfinished } = yield* step(after, Duration.decode(kept), maximum)
      gone += deleted
      if (userId === null) return gone
      if (!unfinished) after = userId
      yield* Effect.sleep("20 millis")
    }
  }).pipe(guardDefects)

/** Keeps the notifications from growing for ever, for as long as the scope. Give it connections that no request waits for. */
export const layer = (kept: Duration.DurationInput): Layer.Layer<never, never, SqlClient.SqlClient> =>
  clean(kept).pipe(
    Effect.tap((gone) => (gone === 0 ? Effect.void : Effect.logDebug(`retention deleted ${gone} notifications`))),
    Effect.tapError((fault) => Effect.logDebug(`retention of notifications tries again: ${fault.message}`)),
    Effect.retry(RetrySchedules.subscription),
    Effect.zipRight(Effect.sleep("1 minute")),
    Effect.forever,
    Effect.withTracerEnabled(false),
    Effect.forkScoped,
    Layer.scopedDiscard,
  )
