import type { OrderStatus, Reason } from "@tandem/contracts/OrderStatus"
import type { Finding } from "./Finding.js"

/** An order as the order service has it. Ages are in ms, by the clock of the order service's database. */
export interface OrderRecord {
  readonly orderId: string
  readonly userId: string
  readonly amount: number
  readonly status: OrderStatus
  readonly reason: Reason | null
  readonly cancellationAsked: boolean
  readonly refundAsked: boolean
  /** Since it last changed. */
  readonly age: number
  /** Since it asked something for the last time: its payment, its cancellation or its refund. */
  readonly waiting: number
}

/** Where a payment stands. */
export type PaymentStatus = "SUCCEEDED" | "DECLINED" | "CANCELLED" | "REFUNDED"

/** What the payment service decided. The age is in ms, by the clock of the payment service's database. */
export interface PaymentRecord {
  readonly orderId: string
  readonly userId: string
  readonly amount: number
  readonly status: PaymentStatus
  readonly reason: Reason | null
  /** Since it last changed. */
  readonly age: number
}

/** How long something may be under way, in ms. */
export interface Patience {
  /** Between the two databases: messages in flight, and the two snapshots' difference. */
  readonly settleGrace: number
  /** The order service's `PAYMENT_TIMEOUT`, after which an order asks again by itself. */
  readonly paymentTimeout: number
}

/** What a comparison comes to. */
export type Comparison = "agree" | "pending" | Finding

type OrderState = "NEW" | "NEW, asked" | "FINISHED" | "FINISHED, asked" | "CANCELLED" | "REFUNDED"

/**
 * How the two relate: `unheard` when the recorded answer, heard once more, brings the order along; `unanswered` when the order waits
 * for an answer to what it asked last; `contradiction` when no message leads there.
 */
type Relation = "agree" | "unheard" | "unanswered" | "contradiction"

/** Every state of an order × what is recorded of its payment. "Asked" is a cancellation, or a refund when it is FINISHED. */
export const relations: Readonly<Record<OrderState, Readonly<Record<"none" | PaymentStatus, Relation>>>> = {
  NEW: {
    none: "unanswered",
    SUCCEEDED: "unheard",
    DECLINED: "unheard",
    CANCELLED: "unheard",
    REFUNDED: "unheard",
  },
  "NEW, asked": {
    none: "unanswered",
    SUCCEEDED: "unanswered",
    DECLINED: "unheard",
    CANCELLED: "unheard",
    REFUNDED: "unheard",
  },
  FINISHED: {
    none: "contradiction",
    SUCCEEDED: "agree",
    DECLINED: "contradiction",
    CANCELLED: "contradiction",
    REFUNDED: "unheard",
  },
  "FINISHED, asked": {
    none: "contradiction",
    SUCCEEDED: "unanswered",
    DECLINED: "contradiction",
    CANCELLED: "contradiction",
    REFUNDED: "unheard",
  },
  CANCELLED: {
    none: "contradiction",
    SUCCEEDED: "contradiction",
    DECLINED: "agree",
    CANCELLED: "agree",
    REFUNDED: "agree",
  },
  REFUNDED: {
    none: "contradiction",
    SUCCEEDED: "contradiction",
    DECLINED: "contradiction",
    CANCELLED: "contradiction",
    REFUNDED: "agree",
  },
}

const state = (order: OrderRecord): OrderState => {
  if (order.status === "NEW") return order.cancellationAsked ? "NEW, asked" : "NEW"
  if (order.status === "FINISHED") return order.refundAsked ? "FINISHED, asked" : "FINISHED"
  return order.status
}

/** What must be the same on both sides whenever both are there. */
const terms = ({ userId, amount }: OrderRecord | PaymentRecord): string => `${amount} of user ${userId}`

const outcome = ({ status, reason }: { readonly status: string; readonly reason: string | null }): string =>
  reason === null ? status : `${status} (${reason})`

/** Which outcome of an order a payment's outcome leads to. */
const expectedOf: Readonly<Record<PaymentStatus, string>> = {
  SUCCEEDED: "FINISHED",
  DECLINED: "CANCELLED",
  CANCELLED: "CANCELLED",
  REFUNDED: "REFUNDED or CANCELLED",
}

/**
 * Holds an order against the decision about it; one of them at least is there. What changed within the grace, or waits for less than
 * the order service itself waits, is pending and no finding.
 */
export const compareOrder = (
  order: OrderRecord | undefined,
  payment: PaymentRecord | undefined,
  { settleGrace, paymentTimeout }: Patience,
): Comparison => {
  const young = Math.min(order?.age ?? Infinity, payment?.age ?? Infinity) < settleGrace
  const ids = (record: OrderRecord | PaymentRecord) => ({ orderId: record.orderId, userId: record.userId })
  if (order === undefined) {
    if (payment === undefined || young) return "pending"
    return {
      kind: "decision-without-order",
      ids: ids(payment),
      expected: `an order over ${terms(payment)}`,
      found: `only a payment ${outcome(payment)}`,
    }
  }
  if (payment !== undefined && (payment.userId !== order.userId || payment.amount !== order.amount)) {
    return { kind: "terms-mismatch", ids: ids(order), expected: terms(order), found: terms(payment) }
  }
  const relation = relations[state(order)][payment?.status ?? "none"]
  if (relation === "unanswered") {
    if (young || order.waiting < paymentTimeout + settleGrace) return "pending"
    const asked = order.status === "NEW" ? (order.cancellationAsked ? "cancellation" : "payment") : "refund"
    return {
      kind: "unanswered-order",
      ids: ids(order),
      expected: `an answer to its ${asked} within ${Math.round(paymentTimeout / 1_000)} s`,
      found: `${state(order)} for ${Math.round(order.waiting / 1_000)} s, payment ${payment === undefined ? "none" : outcome(payment)}`,
    }
  }
  if (relation === "agree" && (payment === undefined || payment.reason === order.reason)) return "agree"
  if (young) return "pending"
  if (payment === undefined) {
    return {
      kind: "order-without-decision",
      ids: ids(order),
      expected: "a decision of the payment service",
      found: `the order is ${outcome(order)}, and there is no payment`,
    }
  }
  return {
    kind: relation === "unheard" ? "unheard-decision" : "state-mismatch",
    ids: ids(order),
    expected: `${expectedOf[payment.status]}, for the payment is ${outcome(payment)}`,
    found: `the order is ${outcome(order)}`,
  }
}
