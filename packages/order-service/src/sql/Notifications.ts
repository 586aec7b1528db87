import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import type { Entry } from "@tandem/messaging/Inbox"
import { Context, Effect, Layer } from "effect"

/** Something to tell a user, without its number yet; `at` is RFC 3339, UTC. */
export type Notice = Omit<OrderStatusChanged, "type" | "seq">

/** How far a user's notifications go. */
export interface Position {
  /** The last number given out; 0 when there is none. */
  readonly seq: number
  /** The lowest number that is still kept; `seq + 1` when none is. */
  readonly oldest: number
}

interface Row {
  readonly seq: string
  readonly orderId: string
  readonly userId: string
  readonly amount: string
  readonly status: OrderStatusChanged["status"]
  readonly reason: OrderStatusChanged["reason"]
  readonly at: Date
}

const fromRow = (row: Row): OrderStatusChanged => ({
  type: "order-status-changed",
  seq: Number(row.seq),
  orderId: row.orderId,
  userId: row.userId,
  amount: Number(row.amount),
  status: row.status,
  reason: row.reason,
  at: row.at.toISOString(),
})

/** What users are told, numbered 1, 2, 3 … per user with no gap. */
export class Notifications extends Context.Tag("@tandem/order-service/Notifications")<
  Notifications,
  {
    /**
     * Numbers and writes notices inside the caller's transaction, one statement however many; two of one user get consecutive
     * numbers in the array's order. The counters stay locked until the commit, so whoever sees n sees n − 1.
     */
    readonly append: (
      notices: ReadonlyArray<Notice>,
    ) => Effect.Effect<ReadonlyArray<OrderStatusChanged>, SqlError.SqlError>
    /**
     * `append` together with what the notices tell of: `change` is a statement that writes and answers a row for each row written, and the
     * notices are written if these are `expected`, or nothing is. One statement, for a round trip costs more than either. With `inbox` it is
     * a transaction by itself: it enters the messages, too, and fails where not all of that could be done.
     */
    readonly appendWith: (
      change: Statement.Fragment,
      expected: number,
      notices: ReadonlyArray<Notice>,
      inbox?: Entry,
    ) => Effect.Effect<
      { readonly written: number; readonly frames: ReadonlyArray<OrderStatusChanged> },
      SqlError.SqlError
    >
    /** What a user was told after a number, in order, `limit` at most. */
    readonly readAfter: (
      userId: string,
      after: number,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<OrderStatusChanged>, SqlError.SqlError>
    /** How far one user's notifications go. */
    readonly position: (userId: string) => Effect.Effect<Position, SqlError.SqlError>
    /** The last numbers of those of many users who were told more than is known; nothing of the others. */
    readonly countersPast: (
      known: ReadonlyMap<string, number>,
    ) => Effect.Effect<ReadonlyMap<string, number>, SqlError.SqlError>
  }
>() {
  /** Over the service's own database. */
  static readonly layer: Layer.Layer<Notifications, never, SqlClient.SqlClient> = Layer.effect(
    Notifications,
    Effect.map(SqlClient.SqlClient, (sql) =>
      Notifications.of({
        append: (notices) =>
          notices.length === 0
            ? Effect.succeed([])
            : Effect.map(
                sql<Numbered>`
                  WITH ${numbering(sql, notices, sql`true`)} SELECT seq FROM numbered ORDER BY position`,
                (rows) => frames(notices, rows),
              ),
        appendWith: (change, expected, notices, inbox) =>
          Effect.map(
            sql<Numbered & { readonly written: string }>`
              WITH ${inbox === undefined ? sql`` : sql`${inbox.cte},`}
              changed AS (${change}), change AS (SELECT count(*) AS written FROM changed),
              ${numbering(sql, notices, sql`(SELECT written FROM change) = ${expected}`)}
              SELECT written, seq
                ${inbox === undefined ? sql`` : sql`, ${inbox.confirm("orders", sql`written = ${expected}`)} AS confirmed`}
              FROM change LEFT JOIN numbered ON true ORDER BY position`,
            (rows) => {
              const written = Number(rows[0]?.written)
              return { written, frames: written === expected ? frames(notices, rows) : [] }
            },
          ),
        readAfter: (userId, after, limit) =>
          Effect.map(
            sql<Row>`
              SELECT seq, order_id AS "orderId", user_id AS "userId", amount, status, reason, at
              FROM notifications WHERE user_id = ${userId} AND seq > ${after} ORDER BY seq LIMIT ${limit}`,
            (rows) => rows.map(fromRow),
          ),
        position: (userId) =>
          Effect.map(
            sql<{ seq: string; oldest: string | null }>`
              SELECT seq, (SELECT min(seq) FROM notifications WHERE user_id = ${userId}) AS oldest
              FROM notification_counters WHERE user_id = ${userId}`,
            ([row]) => {
              const seq = Number(row?.seq ?? 0)
              return { seq, oldest: row?.oldest == null ? seq + 1 : Number(row.oldest) }
            },
          ),
        countersPast: (known) =>
          Effect.map(
            sql<{ userId: string; seq: string }>`
              SELECT user_id AS "userId", seq
              FROM unnest(${[...known.keys()]}::text[], ${[...known.values()]}::bigint[]) AS known (user_id, last)
              JOIN notification_counters USING (user_id) WHERE seq > last`,
            (rows) => new Map(rows.map((row) => [row.userId, Number(row.seq)])),
          ),
      }),
    ),
  )
}

interface Numbered {
  readonly seq: string
}

/** Writes the notices if `condition` holds, as the parts of a statement's WITH; `numbered` has their numbers, in the order of `position`. */
const numbering = (sql: SqlClient.SqlClient, notices: ReadonlyArray<Notice>, condition: Statement.Fragment) => sql`
  told AS (
    SELECT * FROM unnest(
      ${notices.map((notice) => notice.userId)}::text[], ${notices.map((notice) => notice.orderId)}::uuid[],
      ${notices.map((notice) => notice.amount)}::bigint[], ${notices.map((notice) => notice.status)}::text[],
      ${notices.map((notice) => notice.reason)}::text[], ${notices.map((notice) => notice.at)}::timestamptz[]
    ) WITH ORDINALITY AS notice (user_id, order_id, amount, status, reason, at, position)
    WHERE ${condition}
  ), counted AS (
    SELECT user_id, count(*) AS n FROM told GROUP BY user_id
  ), counter AS (
    -- In the order of the users, so that two transactions queue up and do not deadlock.
    INSERT INTO notification_counters (user_id, seq) SELECT user_id, n FROM counted ORDER BY user_id
    ON CONFLICT (user_id) DO UPDATE SET seq = notification_counters.seq + excluded.seq
    RETURNING user_id, seq
  ), numbered AS (
    SELECT told.*,
      counter.seq - counted.n + row_number() OVER (PARTITION BY told.user_id ORDER BY told.position) AS seq
    FROM told JOIN counted USING (user_id) JOIN counter USING (user_id)
  ), written AS (
    INSERT INTO notifications (user_id, seq, order_id, amount, status, reason, at)
    SELECT user_id, seq, order_id, amount, status, reason, at FROM numbered
  )`

const frames = (notices: ReadonlyArray<Notice>, rows: ReadonlyArray<Numbered>): ReadonlyArray<OrderStatusChanged> =>
  notices.map((notice, index) => {
    const row = rows[index]
    if (row === undefined) throw new Error("a notice was not numbered")
    return { type: "order-status-changed", seq: Number(row.seq), ...notice }
  })
