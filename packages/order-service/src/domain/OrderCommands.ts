import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentRequested } from "@tandem/contracts/messages/PaymentRequested"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import { type CancelReason, type OrderState, type SagaState, sagaState } from "./OrderSaga.js"

/** What becomes of asking for a cancellation or a refund. */
export type Asking =
  /** The payment service is asked, and the order remembers that it was. */
  | { readonly _tag: "Asked"; readonly request: PaymentRequest; readonly after: OrderState }
  /** It is asked already, or was granted: the same again. */
  | { readonly _tag: "AsBefore" }
  /** The order ended otherwise, or has nothing to give back. */
  | { readonly _tag: "EndedOtherwise" }

/** What may be done in a state: ask the payment service, nothing because it is asked already, or nothing because it is too late. */
export type Possible = "ask" | "as before" | "ended otherwise"

/** Every state × asking for a cancellation. A CANCELLED order was granted one when its reason says so. */
export const cancellation: Readonly<Record<SagaState, Possible>> = {
  NEW: "ask",
  "NEW, cancellation asked": "as before",
  FINISHED: "ended otherwise",
  CANCELLED: "as before",
  REFUNDED: "ended otherwise",
}

/** Every state × asking for a refund. */
export const refund: Readonly<Record<SagaState, Possible>> = {
  NEW: "ended otherwise",
  "NEW, cancellation asked": "ended otherwise",
  FINISHED: "ask",
  CANCELLED: "ended otherwise",
  REFUNDED: "as before",
}

const asBefore: Asking = { _tag: "AsBefore" }
const endedOtherwise: Asking = { _tag: "EndedOtherwise" }
const trusted = { disableValidation: true }

const fieldsOf = ({ id, userId, amount }: OrderState) => ({ orderId: id, userId, amount })

const cancellationRequest = (order: OrderState, reason: CancelReason) =>
  new PaymentCancellationRequested({ ...fieldsOf(order), reason }, trusted)

const refundRequest = (order: OrderState) =>
  new RefundRequested({ ...fieldsOf(order), reason: "RefundedByUser" }, trusted)

/** Asks that the order be not paid, or its payment be taken back. Until the answer it stays NEW, and then it ends CANCELLED. */
export const askCancellation = (order: OrderState, reason: CancelReason): Asking => {
  const possible = cancellation[sagaState(order)]
  if (possible === "ended otherwise") return endedOtherwise
  if (possible === "as before") {
    const declined = order.reason === "InsufficientFunds" || order.reason === "AccountNotFound"
    return declined ? endedOtherwise : asBefore
  }
  return {
    _tag: "Asked",
    request: cancellationRequest(order, reason),
    after: { ...order, version: order.version + 1, cancellationAsked: true, cancelReason: reason },
  }
}

/** Asks that the money of a FINISHED order be given back. */
export const askRefund = (order: OrderState): Asking => {
  const possible = refund[sagaState(order)]
  if (possible === "ended otherwise") return endedOtherwise
  if (possible === "as before" || order.refundAsked) return asBefore
  return {
    _tag: "Asked",
    request: refundRequest(order),
    after: { ...order, version: order.version + 1, refundAsked: true },
  }
}

/**
 * What an order says that has had no answer for the payment timeout: one that nobody wanted to cancel asks for its own cancellation,
 * one whose cancellation or refund was asked asks the same again. Nothing when it has its answer.
 */
export const askAgain = (order: OrderState): Asking => {
  if (order.status === "NEW") {
    return order.cancelReason === null
      ? askCancellation(order, "PaymentTimeout")
      : { _tag: "Asked", request: cancellationRequest(order, order.cancelReason), after: order }
  }
  return order.status === "FINISHED" && order.refundAsked
    ? { _tag: "Asked", request: refundRequest(order), after: order }
    : asBefore
}

/** What an order asks when it is placed. */
export const askPayment = (order: Pick<OrderState, "id" | "userId" | "amount">): PaymentRequest =>
  new PaymentRequested({ orderId: order.id, userId: order.userId, amount: order.amount }, trusted)
