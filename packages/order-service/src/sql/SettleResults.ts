import { SqlClient, type SqlError, type Statement } from "@effect/sql"
import type { PaymentResult } from "@tandem/contracts/messages/Topics"
import type { OrderStatusChanged } from "@tandem/contracts/push/OrderStatusChanged"
import { conflictOf, type Entry } from "@tandem/messaging/Inbox"
import { Clock, Data, Effect, type Option } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { OrderState } from "../domain/OrderSaga.js"
import { asPlaced, settleResults as decide, type Impossible, type Settlement } from "../domain/SettleResults.js"
import { Notifications } from "./Notifications.js"
import * as OrderHistory from "./OrderHistory.js"

/** An order changed between being read and being written; the batch is decided again. */
export class VersionConflict extends Data.TaggedError("VersionConflict")<{
  readonly expected: number
  readonly written: number
}> {
  override get message(): string {
    return `${this.expected - this.written} of ${this.expected} orders changed meanwhile`
  }
}

/** What the transaction did. */
export interface Settled {
  readonly frames: ReadonlyArray<OrderStatusChanged>
  readonly impossible: ReadonlyArray<Impossible>
}

/**
 * Gives a batch of payment results its effect, inside the caller's transaction: status, history, notifications; two
 * statements however large the batch. Optimistic: reads without locks and writes under the version that it read. Try again
 * with `lock` after a conflict.
 */
export const settleResults = (
  results: NonEmptyReadonlyArray<PaymentResult>,
  options: { readonly lock: boolean },
): Effect.Effect<Settled, SqlError.SqlError | VersionConflict, SqlClient.SqlClient | Notifications> =>
  Effect.gen(function* () {
    const settlement = decide(yield* readOrders(results, options.lock), results)
    if (settlement.orders.length === 0) return { frames: [], impossible: settlement.impossible }
    return { frames: yield* write(settlement), impossible: settlement.impossible }
  })

/**
 * The same by itself and without a transaction: one statement reads, and one writes with everything else the entries of the inbox. Answers the
 * frames; none when that is not enough: a result is impossible, or none changes an order. A conflict writes nothing, and is the
 * statement's own failure. Few first answers are not read for: their orders are as they were placed, or the write finds that they are not.
 */
export const settleInOneStatement = (
  results: NonEmptyReadonlyArray<PaymentResult>,
  inbox: Entry,
): Effect.Effect<
  Option.Option<ReadonlyArray<OrderStatusChanged>>,
  SqlError.SqlError | VersionConflict,
  SqlClient.SqlClient | Notifications
> => {
  const read = Effect.flatMap(readOrders(results, false), (orders) => settleFrom(orders, results, inbox))
  if (results.length > fewResults || !results.every(isFirstAnswer)) return read
  return Effect.catchIf(
    settleFrom(asPlaced(results), results, inbox),
    (fault) => conflictOf(fault) === "orders",
    () => read,
  )
}

/** Up to so many, a round trip counts for more than what is thrown away when one of their orders is not as it was placed. */
const fewResults = 16

const isFirstAnswer = ({ _tag }: PaymentResult) => _tag === "PaymentSucceeded" || _tag === "PaymentDeclined"

const settleFrom = (
  orders: ReadonlyMap<string, OrderState>,
  results: NonEmptyReadonlyArray<PaymentResult>,
  inbox: Entry,
) => {
  const settlement = decide(orders, results)
  return settlement.orders.length === 0 || settlement.impossible.length > 0
    ? Effect.succeedNone
    : Effect.asSome(write(settlement, inbox))
}

const write = ({ orders, changes }: Settlement, inbox?: Entry) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const at = new Date(yield* Clock.currentTimeMillis).toISOString()
    const notifications = yield* Notifications
    const { written, frames } = yield* notifications.appendWith(
      writeOrders(sql, orders, at, inbox?.allNew ?? sql`true`),
      orders.length,
      changes.map((change) => ({ ...change, at })),
      inbox,
    )
    if (written !== orders.length) return yield* new VersionConflict({ expected: orders.length, written })
    return frames
  })

const readOrders = (results: ReadonlyArray<PaymentResult>, lock: boolean) =>
  Effect.gen(function* () {
    const ids = [...new Set(results.map((result) => result.orderId))]
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Omit<OrderState, "amount"> & { readonly amount: string }>`
      SELECT id, user_id AS "userId", amount, status, reason, version,
        cancel_asked_at IS NOT NULL AS "cancellationAsked", cancel_reason AS "cancelReason",
        refund_asked_at IS NOT NULL AS "refundAsked"
      FROM orders WHERE id = ANY(${ids}::uuid[])
      ${lock ? sql`ORDER BY id FOR NO KEY UPDATE` : sql``}`
    return new Map(rows.map((row): [string, OrderState] => [row.id, { ...row, amount: Number(row.amount) }]))
  })

const writeOrders = (
  sql: SqlClient.SqlClient,
  orders: Settlement["orders"],
  at: string,
  condition: Statement.Fragment,
) => sql`
  UPDATE orders SET
    status = changed.status, reason = changed.reason, version = changed.version, updated_at = changed.at,
    ${OrderHistory.append(sql)}
  FROM (
    SELECT id, user_id, amount, from_status, from_version, status, reason, version, ${at}::timestamptz AS at
    FROM unnest(
      ${orders.map(({ after }) => after.id)}::uuid[],
      ${orders.map(({ after }) => after.userId)}::text[],
      ${orders.map(({ after }) => after.amount)}::bigint[],
      ${orders.map(({ before }) => before.status)}::text[],
      ${orders.map(({ before }) => before.version)}::integer[],
      ${orders.map(({ after }) => after.status)}::text[],
      ${orders.map(({ after }) => after.reason)}::text[],
      ${orders.map(({ after }) => after.version)}::integer[]
    ) AS step (id, user_id, amount, from_status, from_version, status, reason, version)
  ) AS changed
  WHERE orders.id = changed.id AND orders.status = changed.from_status AND orders.version = changed.from_version
    AND orders.user_id = changed.user_id AND orders.amount = changed.amount AND ${condition}
  RETURNING orders.id`
