import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { Reason } from "../OrderStatus.js"
import { UserId } from "../UserId.js"

/** The order service asks that an order be not paid, or that its payment be taken back. Topic `payment-requests`, key `userId`. */
export class PaymentCancellationRequested extends Schema.TaggedClass<PaymentCancellationRequested>()(
  "PaymentCancellationRequested",
  {
    orderId: OrderId,
    userId: UserId,
    amount: Amount,
    reason: Reason,
  },
) {}
