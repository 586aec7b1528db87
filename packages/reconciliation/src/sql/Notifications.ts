import { Effect } from "effect"
import type { Finding } from "../domain/Finding.js"
import type { CannotCheck, Snapshot } from "./Snapshot.js"

interface Row {
  readonly userId: string
  readonly seq: string | null
  readonly changes: string | null
  readonly first: string | null
  readonly last: string | null
  readonly kept: string | null
}

/**
 * Users whose notifications are not numbered 1, 2, 3 … with the counter at the last, one for each change of an order. Retention takes
 * the oldest away, so what is kept may begin later.
 */
export const checkNotifications = (
  { sql, read }: Snapshot,
  limit: number,
): Effect.Effect<ReadonlyArray<Finding>, CannotCheck> =>
  Effect.map(
    read(sql<Row>`
      WITH kept AS (
        SELECT user_id, min(seq) AS first, max(seq) AS last, count(*) AS kept FROM notifications GROUP BY user_id
      ), changed AS (
        SELECT user_id, count(settled_at) + count(refunded_at) AS changes FROM orders GROUP BY user_id
        HAVING count(settled_at) > 0
      )
      SELECT user_id AS "userId", seq, changes, first, last, kept
      FROM notification_counters FULL JOIN changed USING (user_id) FULL JOIN kept USING (user_id)
      WHERE seq IS DISTINCT FROM changes OR (kept > 0 AND (last <> seq OR kept <> last - first + 1))
      ORDER BY user_id LIMIT ${limit}`),
    (rows) =>
      rows.map(({ userId, seq, changes, first, last, kept }) => ({
        kind: "notification-gap",
        ids: { userId },
        expected: `${changes ?? 0} numbers for ${changes ?? 0} changes of orders, the last of them kept, with no gap`,
        found: `the counter at ${seq ?? "nothing"}, ${kept ?? 0} kept${kept === null ? "" : ` from ${first} to ${last}`}`,
      })),
  )
