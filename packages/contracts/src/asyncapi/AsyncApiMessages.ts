import type { Schema } from "effect"
import { PaymentCancellationRequested } from "../messages/PaymentCancellationRequested.js"
import { PaymentCancelled } from "../messages/PaymentCancelled.js"
import { PaymentDeclined } from "../messages/PaymentDeclined.js"
import { PaymentRefunded } from "../messages/PaymentRefunded.js"
import { PaymentRequested } from "../messages/PaymentRequested.js"
import { PaymentSucceeded } from "../messages/PaymentSucceeded.js"
import { RefundRequested } from "../messages/RefundRequested.js"
import { paymentRequestsTopic, paymentResultsTopic } from "../messages/Topics.js"
import { OrderStatusChanged } from "../push/OrderStatusChanged.js"
import { Welcome } from "../push/Welcome.js"

/** A kind of message: what it means, and one of its kind. */
export interface Described {
  readonly schema: Schema.Schema.AnyNoContext
  readonly summary: string
  readonly example: Readonly<Record<string, unknown>>
}

/** A topic of the broker, with everything that is said on it. */
export interface Topic {
  readonly description: string
  /** Who writes there, as CloudEvents `source`. */
  readonly source: string
  readonly messages: Readonly<Record<string, Described>>
}

const payment = { orderId: "01936f4e-8f2a-7c3b-9d4e-5f6071829304", userId: "1", amount: 500 }

/** What the services say to each other, by topic. */
export const topicMessages: Readonly<Record<string, Topic>> = {
  [paymentRequestsTopic]: {
    description: "What the order service asks of the payment service.",
    source: "/tandem/order-service",
    messages: {
      PaymentRequested: { schema: PaymentRequested, summary: "An order is to be paid", example: payment },
      PaymentCancellationRequested: {
        schema: PaymentCancellationRequested,
        summary: "An order is not to be paid, or its payment is to be taken back",
        example: { ...payment, reason: "CancelledByUser" },
      },
      RefundRequested: {
        schema: RefundRequested,
        summary: "A paid order's money is to be given back",
        example: { ...payment, reason: "RefundedByUser" },
      },
    },
  },
  [paymentResultsTopic]: {
    description: "What the payment service answers.",
    source: "/tandem/payment-service",
    messages: {
      PaymentSucceeded: {
        schema: PaymentSucceeded,
        summary: "An order is paid",
        example: { ...payment, balanceAfter: 500 },
      },
      PaymentDeclined: {
        schema: PaymentDeclined,
        summary: "An order is not paid, and never will be",
        example: { ...payment, reason: "InsufficientFunds" },
      },
      PaymentCancelled: {
        schema: PaymentCancelled,
        summary: "An order was cancelled before it was paid",
        example: { ...payment, reason: "CancelledByUser" },
      },
      PaymentRefunded: {
        schema: PaymentRefunded,
        summary: "An order was paid, and its money is given back",
        example: { ...payment, reason: "RefundedByUser" },
      },
    },
  },
}

/** What the order service pushes to a user, by the frame's `type`. */
export const frames: Readonly<Record<string, Described>> = {
  Welcome: {
    schema: Welcome,
    summary: "The first frame: from where the stream starts",
    example: { type: "welcome", userId: "1", seq: 0, recovered: true },
  },
  OrderStatusChanged: {
    schema: OrderStatusChanged,
    summary: "An order has another status",
    example: {
      type: "order-status-changed",
      seq: 1,
      ...payment,
      status: "FINISHED",
      reason: null,
      at: "2026-01-31T12:00:00.017Z",
    },
  },
}
