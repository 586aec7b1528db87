import type { PaymentResult } from "@tandem/contracts/messages/Topics"
import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"
import { firstVersion, type OrderState, sagaState, transitions } from "./OrderSaga.js"

/** One step of one order, in the order in which it happened. */
export interface StatusChange {
  readonly orderId: string
  readonly userId: string
  readonly amount: number
  readonly status: Exclude<OrderStatus, "NEW">
  readonly reason: Reason | null
}

/** A result that contradicts what is recorded; `index` is its place in the batch. */
export interface Impossible {
  readonly index: number
  readonly reason: string
}

/** What a batch of results comes to. */
export interface Settlement {
  /** The last state of every order that changed, once each. */
  readonly orders: ReadonlyArray<{ readonly before: OrderState; readonly after: OrderState }>
  /** Every step, in the order of the batch; an order may take two. */
  readonly changes: ReadonlyArray<StatusChange>
  readonly impossible: ReadonlyArray<Impossible>
}

/**
 * The orders of these results as they were when they were placed: not an answer yet, and nothing asked. What is decided on this may be
 * written under this very version, user and amount only.
 */
export const asPlaced = (results: ReadonlyArray<PaymentResult>): ReadonlyMap<string, OrderState> =>
  new Map(
    results.map(({ orderId, userId, amount }): [string, OrderState] => [
      orderId,
      {
        id: orderId,
        userId,
        amount,
        status: "NEW",
        reason: null,
        version: firstVersion,
        cancellationAsked: false,
        cancelReason: null,
        refundAsked: false,
      },
    ]),
  )

/**
 * Decides a whole batch of payment results against the orders that they name. What merely comes late, twice or out of order
 * changes nothing; what contradicts the record is set aside.
 */
export const settleResults = (
  orders: ReadonlyMap<string, OrderState>,
  results: ReadonlyArray<PaymentResult>,
): Settlement => {
  const now = new Map(orders)
  const changes: Array<StatusChange> = []
  const impossible: Array<Impossible> = []
  results.forEach((result, index) => {
    const order = now.get(result.orderId)
    if (order === undefined) {
      impossible.push({ index, reason: `${result._tag} for an order that does not exist` })
    } else if (order.userId !== result.userId || order.amount !== result.amount) {
      impossible.push({ index, reason: `${result._tag} for another user or amount than was ordered` })
    } else {
      const status = transitions[sagaState(order)][result._tag]
      if (status === "no change") return
      const reason = result._tag === "PaymentSucceeded" ? null : result.reason
      now.set(order.id, { ...order, status, reason, version: order.version + 1 })
      changes.push({ orderId: order.id, userId: order.userId, amount: order.amount, status, reason })
    }
  })
  const changed = [...new Set(changes.map((change) => change.orderId))].flatMap((id) => {
    const before = orders.get(id)
    const after = now.get(id)
    return before === undefined || after === undefined ? [] : [{ before, after }]
  })
  return { orders: changed, changes, impossible }
}
