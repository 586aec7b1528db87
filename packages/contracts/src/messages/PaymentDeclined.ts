import { Schema } from "effect"
import { Amount } from "../Amount.js"
import { OrderId } from "../OrderId.js"
import { Reason } from "../OrderStatus.js"
import { UserId } from "../UserId.js"

/** The order is not paid, and never will be. Topic `payment-results`, key `userId`. */
export class PaymentDeclined extends Schema.TaggedClass<PaymentDeclined>()("PaymentDeclined", {
  orderId: OrderId,
  userId: UserId,
  amount: Amount,
  reason: Reason,
}) {}
