import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import type { Reason } from "@tandem/contracts/OrderStatus"

/** What every decision says of its order. */
interface Decided {
  readonly orderId: string
  readonly userId: string
  /** Minor units. */
  readonly amount: number
}

/** The money was taken. */
export interface Succeeded extends Decided {
  readonly status: "SUCCEEDED"
  /** What the payment left on the account, in minor units. */
  readonly balanceAfter: number
}

/** The money was not there, and this order will never be paid. */
export interface Declined extends Decided {
  readonly status: "DECLINED"
  readonly reason: Reason
}

/** Cancelled before it was paid: the tombstone, should the request come later. */
export interface Cancelled extends Decided {
  readonly status: "CANCELLED"
  readonly reason: Reason
}

/** The money was taken and given back. */
export interface Refunded extends Decided {
  readonly status: "REFUNDED"
  readonly reason: Reason
  /** What the payment, not the refund, left on the account, in minor units. */
  readonly balanceAfter: number
}

/** What was decided about an order's payment. It is kept for ever, and a decision, a decline too, is never reconsidered. */
export type Payment = Succeeded | Declined | Cancelled | Refunded

/** Where a payment stands. */
export type PaymentStatus = Payment["status"]

/** What a command does to a payment. Whatever it does, the answer is the payment's state. */
export type Transition =
  /** Take the money when it is there, or decline. */
  | "decide"
  /** Cancelled before it was paid: the tombstone, should the request come later. */
  | "cancel"
  /** Give the money back. */
  | "refund"
  /** Change nothing and repeat the recorded answer. */
  | "repeat"
  /** It cannot have been said: to be set aside. */
  | "impossible"

/** Every state × every command. */
export const transitions: Readonly<
  Record<"none" | PaymentStatus, Readonly<Record<PaymentRequest["_tag"], Transition>>>
> = {
  none: { PaymentRequested: "decide", PaymentCancellationRequested: "cancel", RefundRequested: "impossible" },
  SUCCEEDED: { PaymentRequested: "repeat", PaymentCancellationRequested: "refund", RefundRequested: "refund" },
  DECLINED: { PaymentRequested: "repeat", PaymentCancellationRequested: "repeat", RefundRequested: "repeat" },
  CANCELLED: { PaymentRequested: "repeat", PaymentCancellationRequested: "repeat", RefundRequested: "repeat" },
  REFUNDED: { PaymentRequested: "repeat", PaymentCancellationRequested: "repeat", RefundRequested: "repeat" },
}
