import { SqlClient, type SqlError } from "@effect/sql"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
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
     * Numbers and writes notices inside the caller's transaction, two statements however many; two of one user get consecutive
     * numbers in the array's order. The counters stay locked until the commit, so whoever sees n sees n − 1.
     */
    readonly append: (
      notices: ReadonlyArray<Notice>,
    ) => Effect.Effect<ReadonlyArray<OrderStatusChanged>, SqlError.SqlError>
    /** What a user was told after a number, in order, `limit` at most. */
    readonly readAfter: (
      userId: string,
      after: number,
      limit: number,
    ) => Effect.Effect<ReadonlyArray<OrderStatusChanged>, SqlError.SqlError>
    /** How far one user's notifications go. */
    readonly position: (userId: string) => Effect.Effect<Position, SqlError.SqlError>
    /** The last numbers of many users; who was never told anything is missing. */
    readonly counters: (userIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, number>, SqlError.SqlError>
  }
>() {
  /** Over the service's own database. */
  static readonly layer: Layer.Layer<Notifications, never, SqlClient.SqlClient> = Layer.effect(
    Notifications,
    Effect.map(SqlClient.SqlClient, (sql) =>
      Notifications.of({
        append: (notices) => (notices.length === 0 ? Effect.succeed([]) : append(sql, notices)),
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
        counters: (userIds) =>
          Effect.map(
            sql<{ userId: string; seq: string }>`
              SELECT user_id AS "userId", seq FROM notification_counters WHERE user_id = ANY(${[...userIds]}::text[])`,
            (rows) => new Map(rows.map((row) => [row.userId, Number(row.seq)])),
          ),
      }),
    ),
  )
}

const append = (sql: SqlClient.SqlClient, notices: ReadonlyArray<Notice>) =>
  Effect.gen(function* () {
    const counts = new Map<string, number>()
    for (const { userId } of notices) counts.set(userId, (counts.get(userId) ?? 0) + 1)
    const users = [...counts.keys()].sort()
    // In the order of the users, so that two transactions queue up and do not deadlock.
    const counters = yield* sql<{ userId: string; seq: string }>`
      INSERT INTO notification_counters (user_id, seq)
      SELECT user_id, n FROM unnest(${users}::text[], ${users.map((user) => counts.get(user) ?? 0)}::bigint[])
        WITH ORDINALITY AS told (user_id, n, position)
      ORDER BY position
      ON CONFLICT (user_id) DO UPDATE SET seq = notification_counters.seq + excluded.seq
      RETURNING user_id AS "userId", seq`
    const next = new Map(counters.map((row) => [row.userId, Number(row.seq) - (counts.get(row.userId) ?? 0)]))
    const frames = notices.map((notice): OrderStatusChanged => {
      const seq = (next.get(notice.userId) ?? 0) + 1
      next.set(notice.userId, seq)
      return { type: "order-status-changed", seq, ...notice }
    })
    yield* sql`
      INSERT INTO notifications (user_id, seq, order_id, amount, status, reason, at)
      SELECT * FROM unnest(
        ${frames.map((frame) => frame.userId)}::text[], ${frames.map((frame) => frame.seq)}::bigint[],
        ${frames.map((frame) => frame.orderId)}::uuid[], ${frames.map((frame) => frame.amount)}::bigint[],
        ${frames.map((frame) => frame.status)}::text[], ${frames.map((frame) => frame.reason)}::text[],
        ${frames.map((frame) => frame.at)}::timestamptz[]
      )`
    return frames
  })
