import { SqlClient, type SqlError } from "@effect/sql"
import { HistoryEntry, Order } from "@tandem/contracts/http/OrdersApi"
import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"
import { Effect, Option } from "effect"

/** A row of `orders` as the API needs it. */
export interface OrderRow {
  readonly id: string
  readonly userId: string
  readonly amount: string
  readonly status: OrderStatus
  readonly reason: Reason | null
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** The order as the API shows it. Field by field: a row may have more columns, and those are nobody's to see. */
export const fromRow = (row: OrderRow): Order =>
  new Order(
    {
      id: row.id,
      userId: row.userId,
      amount: Number(row.amount),
      status: row.status,
      reason: row.reason,
      createdAt: row.createdAt.toISOString(),
      updatedAt: row.updatedAt.toISOString(),
      version: row.version,
    },
    { disableValidation: true },
  )

/** What {@link fromRow} takes. */
export const columns = (sql: SqlClient.SqlClient) =>
  sql`id, user_id AS "userId", amount, status, reason, version, created_at AS "createdAt", updated_at AS "updatedAt"`

/** The condition that an order is this user's; none when `owner` is undefined. */
export const ownedBy = (sql: SqlClient.SqlClient, owner: string | undefined) =>
  owner === undefined ? sql`` : sql`AND user_id = ${owner}`

/** One order; none when there is no such id, or it is not `owner`'s, if one is given. */
export const findOrder = (
  id: string,
  owner?: string,
): Effect.Effect<Option.Option<Order>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<OrderRow>`SELECT ${columns(sql)} FROM orders WHERE id = ${id}::uuid ${ownedBy(sql, owner)}`
    return Option.map(Option.fromNullable(rows[0]), fromRow)
  })

/** Whose order it is; none when there is no such id, or it is not `owner`'s, if one is given. */
export const findOwner = (
  id: string,
  owner?: string,
): Effect.Effect<Option.Option<string>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly userId: string }>`
      SELECT user_id AS "userId" FROM orders WHERE id = ${id}::uuid ${ownedBy(sql, owner)}`
    return Option.map(Option.fromNullable(rows[0]), ({ userId }) => userId)
  })

/** Which of a user's orders, newest first. */
export interface OrderFilter {
  readonly userId: string
  readonly status?: OrderStatus
  /** Only orders older than this one. */
  readonly before?: string
  /** The most rows. */
  readonly limit: number
}

/** A user's orders by id, which is by time, newest first. Keyset, so that inserts meanwhile neither repeat nor hide a row. */
export const listOrders = (
  filter: OrderFilter,
): Effect.Effect<ReadonlyArray<Order>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<OrderRow>`
      SELECT ${columns(sql)} FROM orders
      WHERE user_id = ${filter.userId}
        ${filter.status === undefined ? sql`` : sql`AND status = ${filter.status}`}
        ${filter.before === undefined ? sql`` : sql`AND id < ${filter.before}::uuid`}
      ORDER BY id DESC LIMIT ${filter.limit}`
    return rows.map(fromRow)
  })

interface HistoryRow {
  readonly status: OrderStatus
  readonly reason: Reason | null
  readonly createdAt: Date
  readonly settledAt: Date | null
  readonly refundedAt: Date | null
  readonly version: number
}

/** What happened to an order, oldest first, and the version that the order has by it. */
export interface VersionedHistory {
  readonly version: number
  readonly items: ReadonlyArray<HistoryEntry>
}

/**
 * What happened to one order; none when there is no such id, or it is not `owner`'s, if one is given. Its columns are its history
 * (docs/adr/0004).
 */
export const findHistory = (
  id: string,
  owner?: string,
): Effect.Effect<Option.Option<VersionedHistory>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<HistoryRow>`
      SELECT status, reason, created_at AS "createdAt", settled_at AS "settledAt", refunded_at AS "refundedAt", version
      FROM orders WHERE id = ${id}::uuid ${ownedBy(sql, owner)}`
    return Option.map(Option.fromNullable(rows[0]), (row) => ({ version: row.version, items: history(row) }))
  })

const history = ({ status, reason, createdAt, settledAt, refundedAt }: HistoryRow): ReadonlyArray<HistoryEntry> => {
  const entry = (taken: OrderStatus, why: Reason | null, at: Date) =>
    new HistoryEntry({ status: taken, reason: why, at: at.toISOString() }, { disableValidation: true })
  return [
    entry("NEW", null, createdAt),
    ...(settledAt === null
      ? []
      : [status === "CANCELLED" ? entry(status, reason, settledAt) : entry("FINISHED", null, settledAt)]),
    ...(refundedAt === null ? [] : [entry("REFUNDED", reason, refundedAt)]),
  ]
}
