import { Schema } from "effect"
import { PaymentCancellationRequested } from "./PaymentCancellationRequested.js"
import { PaymentCancelled } from "./PaymentCancelled.js"
import { PaymentDeclined } from "./PaymentDeclined.js"
import { PaymentRefunded } from "./PaymentRefunded.js"
import { PaymentRequested } from "./PaymentRequested.js"
import { PaymentSucceeded } from "./PaymentSucceeded.js"
import { RefundRequested } from "./RefundRequested.js"

/** The topic on which the order service asks. */
export const paymentRequestsTopic = "payment-requests"

/** Everything that is said on `payment-requests`. */
export const PaymentRequest = Schema.Union(PaymentRequested, PaymentCancellationRequested, RefundRequested)

/** Everything that is said on `payment-requests`. */
export type PaymentRequest = typeof PaymentRequest.Type

/** The topic on which the payment service answers. */
export const paymentResultsTopic = "payment-results"

/** Everything that is said on `payment-results`. */
export const PaymentResult = Schema.Union(PaymentSucceeded, PaymentDeclined, PaymentCancelled, PaymentRefunded)

/** Everything that is said on `payment-results`. */
export type PaymentResult = typeof PaymentResult.Type

/** Every topic as it is made. A live topic's number of partitions is never changed, for that would break the order per key. */
export const topics = [
  { name: paymentRequestsTopic, partitions: 8 },
  { name: paymentResultsTopic, partitions: 8 },
] as const
