import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { Reason } from "../OrderStatus.js"
import { UserId } from "../UserId.js"

/** The order was cancelled before it was paid. Topic `payment-results`, key `userId`. */
export class PaymentCancelled extends Schema.TaggedClass<PaymentCancelled>()("PaymentCancelled", {
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
  reason: Reason,
}) {}
