import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { Reason } from "../OrderStatus.js"
import { UserId } from "../UserId.js"

/** The order was paid and the money is given back. Topic `payment-results`, key `userId`. */
export class PaymentRefunded extends Schema.TaggedClass<PaymentRefunded>()("PaymentRefunded", {
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
  reason: Reason,
}) {}
