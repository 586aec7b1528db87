import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"

/** Where an order stands for the saga. One whose cancellation was asked stays NEW to the world until the answer comes. */
export type SagaState = "NEW" | "NEW, cancellation asked" | "FINISHED" | "CANCELLED" | "REFUNDED"

/** What the payment service can answer. */
export type PaymentAnswer = "PaymentSucceeded" | "PaymentDeclined" | "PaymentCancelled" | "PaymentRefunded"

/** What an answer does to an order: the status that it takes, or nothing at all. */
export type Transition = Exclude<OrderStatus, "NEW"> | "no change"

/**
 * Every state × every answer. An order whose cancellation was asked always ends CANCELLED: a success that crosses the request
 * waits for the refund that the request brings.
 */
export const transitions: Readonly<Record<SagaState, Readonly<Record<PaymentAnswer, Transition>>>> = {
  NEW: {
    PaymentSucceeded: "FINISHED",
    PaymentDeclined: "CANCELLED",
    PaymentCancelled: "CANCELLED",
    PaymentRefunded: "CANCELLED",
  },
  "NEW, cancellation asked": {
    PaymentSucceeded: "no change",
    PaymentDeclined: "CANCELLED",
    PaymentCancelled: "CANCELLED",
    PaymentRefunded: "CANCELLED",
  },
  FINISHED: {
    PaymentSucceeded: "no change",
    PaymentDeclined: "no change",
    PaymentCancelled: "no change",
    PaymentRefunded: "REFUNDED",
  },
  CANCELLED: {
    PaymentSucceeded: "no change",
    PaymentDeclined: "no change",
    PaymentCancelled: "no change",
    PaymentRefunded: "no change",
  },
  REFUNDED: {
    PaymentSucceeded: "no change",
    PaymentDeclined: "no change",
    PaymentCancelled: "no change",
    PaymentRefunded: "no change",
  },
}

/** Why a cancellation is asked. */
export type CancelReason = "CancelledByUser" | "PaymentTimeout"

/** What the saga knows of an order. */
export interface OrderState {
  readonly id: string
  readonly userId: string
  readonly amount: number
  readonly status: OrderStatus
  readonly reason: Reason | null
  readonly version: number
  readonly cancellationAsked: boolean
  /** Why the cancellation was asked for the first time; null when none was. */
  readonly cancelReason: CancelReason | null
  readonly refundAsked: boolean
}

/** The version of an order that was placed; every step and whatever is asked for the first time counts it up. */
export const firstVersion = 1

/** The row of {@link transitions} that an order is in. */
export const sagaState = (order: OrderState): SagaState =>
  order.status === "NEW" && order.cancellationAsked ? "NEW, cancellation asked" : order.status
