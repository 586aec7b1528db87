import { PaymentCancellationRequested } from "@tandem/contracts/messages/PaymentCancellationRequested"
import { PaymentCancelled } from "@tandem/contracts/messages/PaymentCancelled"
import { PaymentDeclined } from "@tandem/contracts/messages/PaymentDeclined"
import { PaymentRefunded } from "@tandem/contracts/messages/PaymentRefunded"
import { PaymentSucceeded } from "@tandem/contracts/messages/PaymentSucceeded"
import { RefundRequested } from "@tandem/contracts/messages/RefundRequested"
import type { PaymentRequest, PaymentResult } from "@tandem/contracts/messages/Topics"
import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"
import type { PaymentStatus } from "./CompareOrder.js"

/** A decision with all that its answer says. */
export interface RecordedDecision {
  readonly orderId: string
  readonly userId: string
  readonly amount: number
  readonly status: PaymentStatus
  readonly reason: Reason | null
  /** Minor units; null when nothing was ever paid. */
  readonly balanceAfter: number | null
}

/** An order with all that it asks. */
export interface OpenOrder {
  readonly orderId: string
  readonly userId: string
  readonly amount: number
  readonly status: OrderStatus
  readonly cancellationAsked: boolean
  readonly cancelReason: Reason | null
  readonly refundAsked: boolean
}

/** What was read from a database that checks it. */
const trusted = { disableValidation: true }

/** The recorded answer, once more. An order that heard it already does nothing. None for a row that contradicts itself. */
export const answerAgain = (decision: RecordedDecision): PaymentResult | undefined => {
  const { orderId, userId, amount, status, reason, balanceAfter } = decision
  if (status === "SUCCEEDED") {
    return balanceAfter === null ? undefined : new PaymentSucceeded({ orderId, userId, amount, balanceAfter }, trusted)
  }
  if (reason === null) return undefined
  const why = { orderId, userId, amount, reason }
  if (status === "DECLINED") return new PaymentDeclined(why, trusted)
  if (status === "CANCELLED") return new PaymentCancelled(why, trusted)
  return new PaymentRefunded(why, trusted)
}

/**
 * What an order that nobody answers asks: its cancellation, with the reason that it was first asked with, or with `PaymentTimeout`; or
 * its refund. Never its payment: the user has waited long enough not to be charged out of the blue. None when it asks nothing.
 */
export const askAgain = (order: OpenOrder): PaymentRequest | undefined => {
  const { orderId, userId, amount, status, cancelReason, refundAsked } = order
  if (status === "NEW") {
    return new PaymentCancellationRequested(
      { orderId, userId, amount, reason: cancelReason ?? "PaymentTimeout" },
      trusted,
    )
  }
  if (status === "FINISHED" && refundAsked) {
    return new RefundRequested({ orderId, userId, amount, reason: "RefundedByUser" }, trusted)
  }
  return undefined
}
