import type { PaymentRequest } from "@tandem/contracts/messages/Topics"
import type { Reason } from "@tandem/contracts/OrderStatus"

/** What was decided about an order's payment. It is kept for ever, and a decision, a decline too, is never reconsidered. */
export interface Payment {
  readonly orderId: string
  readonly userId: string
  readonly amount: number
  readonly status: PaymentStatus
  /** Null when the payment succeeded. */
  readonly reason: Reason | null
  /** What the payment left on the account, in minor units; null when nothing was ever paid. */
  readonly balanceAfter: number | null
}

/** Where a payment stands. */
export type PaymentStatus = "SUCCEEDED" | "DECLINED" | "CANCELLED" | "REFUNDED"

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
